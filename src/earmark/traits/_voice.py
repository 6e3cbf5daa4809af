"""The newest few seconds of speech of a stream, and what gender they sound like."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from earmark.models import Ask, Asking
from earmark.traits._gender import LEAST_PITCHED, LEAST_SPEECH_S, Gender, gender_of_sound
from earmark.traits._models import NETWORK, TraitModels
from earmark.traits._pitch import PITCH_STEP, PITCH_WINDOW, pitch
from earmark.traits._sounds import FRAME, STEP
from earmark.voiceprints import Sums, pool

__all__ = ["Heard", "Speech", "Voice", "hear_speech", "joined", "together"]

Float = NDArray[np.float32]

_SPOKEN = 0.5  # probability of speech from which on a frame counts


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Speech:
    """What a stretch's speech comes to: ``sums`` of one row, ``hertz`` of what has a pitch."""

    sums: Sums
    hertz: Float
    seconds: float


def hear_speech(models: TraitModels, samples: Float, spoken: Float) -> Asking[Speech | None]:
    """Listen to the speech in ``samples`` [n]; None when there is none.

    ``spoken`` [frames] is the probability of speech in every 10 ms; NaN where a frame is only
    there for the network to see what is around.
    """
    speaks = spoken > _SPOKEN
    if len(samples) < FRAME or speaks.sum() < 100 * 0.1:
        return None
    features = models.features(samples)
    frames = yield Ask(network=NETWORK, values=features)
    size = models.network.subsampling
    padded = np.zeros(len(frames) * size, np.float32)
    count = min(len(padded), len(speaks))
    padded[:count] = speaks[:count]
    chosen = np.flatnonzero(padded.reshape(-1, size).mean(axis=1) >= 0.5)
    if not len(chosen):
        return None
    intervals = np.stack([np.zeros_like(chosen), chosen, chosen + 1], axis=1)
    hertz = pitch(samples)
    middle = (np.arange(len(hertz)) * PITCH_STEP + (PITCH_WINDOW - FRAME) // 2) // STEP
    hertz = hertz[speaks[np.minimum(middle, len(speaks) - 1)]]
    return Speech(
        sums=pool(frames, intervals.astype(np.int64), 1),
        hertz=hertz[hertz > 0],
        seconds=float(len(chosen) * size * STEP / 16_000),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Heard:
    """The speech of several stretches: its embedding [256], and ``hertz`` of what has a pitch."""

    embedding: Float
    hertz: Float
    seconds: float


def together(models: TraitModels, stretches: Iterable[Speech | None]) -> Heard | None:
    """All that was heard in the stretches; None when it is too little to tell anything."""
    heard = [each for each in stretches if each is not None]
    if not heard:
        return None
    whole = reduce(joined, heard)
    if whole.seconds < LEAST_SPEECH_S or len(whole.hertz) < LEAST_PITCHED:
        return None
    embedding = models.network.embed(whole.sums)[0]
    return Heard(embedding=embedding, hertz=whole.hertz, seconds=whole.seconds)


def joined(first: Speech, second: Speech) -> Speech:
    """The speech of two stretches."""
    return Speech(
        sums=Sums(
            count=first.sums.count + second.sums.count,
            first=first.sums.first + second.sums.first,
            second=first.sums.second + second.sums.second,
        ),
        hertz=np.concatenate([first.hertz, second.hertz]),
        seconds=first.seconds + second.seconds,
    )


class Voice:
    """The speech of the newest ``stretches`` of a stream."""

    def __init__(self, models: TraitModels, stretches: int) -> None:
        self._models = models
        self._heard: deque[Speech | None] = deque(maxlen=stretches)

    def add(self, speech: Speech | None) -> None:
        """Take in what was heard in a stretch, and forget the oldest one."""
        self._heard.append(speech)

    def gender(self) -> Gender | None:
        """What it sounds like; None when there is too little speech to tell."""
        found = together(self._models, self._heard)
        if found is None:
            return None
        return gender_of_sound(found.hertz, found.embedding, speech_s=found.seconds)

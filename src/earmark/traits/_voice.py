"""The newest few seconds of speech of a stream, and what gender they sound like."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.models import Ask, Asking
from earmark.traits._gender import LEAST_PITCHED, LEAST_SPEECH_S, Gender, gender_of_sound
from earmark.traits._models import NETWORK, TraitModels
from earmark.traits._pitch import PITCH_STEP, PITCH_WINDOW, pitch
from earmark.traits._sounds import FRAME, STEP
from earmark.voiceprints import Sums, pool

__all__ = ["Speech", "Voice", "hear_speech"]

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


class Voice:
    """The speech of so many stretches."""

    def __init__(self, models: TraitModels, stretches: int | None) -> None:
        self._models = models
        self._heard: deque[Speech | None] = deque(maxlen=stretches)

    def add(self, speech: Speech | None) -> None:
        """Take in what was heard in a stretch, and forget the oldest one."""
        self._heard.append(speech)

    def gender(self) -> Gender | None:
        """What it sounds like; None when there is too little speech to tell."""
        heard = [each for each in self._heard if each is not None]
        seconds = sum(each.seconds for each in heard)
        if seconds < LEAST_SPEECH_S:
            return None
        hertz = np.concatenate([each.hertz for each in heard])
        if len(hertz) < LEAST_PITCHED:
            return None
        sums = Sums(
            count=np.sum([each.sums.count for each in heard], axis=0),
            first=np.sum([each.sums.first for each in heard], axis=0),
            second=np.sum([each.sums.second for each in heard], axis=0),
        )
        return gender_of_sound(hertz, self._models.network.embed(sums)[0], speech_s=seconds)

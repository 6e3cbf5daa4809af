"""The gender of all the speech on one channel of a recording."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from earmark.models import Asking
from earmark.traits._answers import shares
from earmark.traits._gender import Gender, gender_of_sound
from earmark.traits._line import Line
from earmark.traits._models import TraitModels
from earmark.traits._sounds import STEP, frames_in
from earmark.traits._voice import Speech, hear_speech, joined, together

__all__ = ["WholeVoice"]

Float = NDArray[np.float32]

_STRETCH = 16_384  # samples, as of a stream: that is what was learned from
_PAST = 8_192  # samples that the networks see of what was before


class WholeVoice:
    """Listens to a channel, stretch by stretch, until ``most_s`` seconds of speech are heard.

    All of it is taken for one voice.
    """

    def __init__(self, models: TraitModels, most_s: float | None = None) -> None:
        self._models = models
        self._most_s = math.inf if most_s is None else most_s
        self._samples = Line()
        self._heard_to = 0
        self._speech: Speech | None = None

    @property
    def enough(self) -> bool:
        """Whether nothing more is listened to."""
        return self._speech is not None and self._speech.seconds >= self._most_s

    def step(self, samples: Float) -> Asking[None]:
        """Listen to more samples [n] at 16 kHz."""
        if self.enough:
            return
        self._samples.append(samples)
        while not self.enough and self._heard_to + _STRETCH <= self._samples.end:
            yield from self._listen(self._heard_to + _STRETCH)

    def finish(self) -> Asking[Gender | None]:
        """What the voice sounds like; None when there is too little speech to tell."""
        if not self.enough and self._samples.end > self._heard_to:
            yield from self._listen(self._samples.end)
        found = together(self._models, [self._speech])
        if found is None:
            return None
        return gender_of_sound(found.hertz, found.embedding, speech_s=found.seconds)

    @property
    def speech_s(self) -> float:
        """Seconds of speech that were heard."""
        return 0.0 if self._speech is None else self._speech.seconds

    def _listen(self, end: int) -> Asking[None]:
        start = max(0, self._heard_to - _PAST) // STEP * STEP
        samples = self._samples.cut(start, end)
        spoken = shares(self._models.sounds(samples))[:, 0]
        spoken[: max(0, frames_in(len(samples)) - frames_in(end - self._heard_to))] = 0
        heard = yield from hear_speech(self._models, samples, spoken)
        if heard is not None:
            self._speech = heard if self._speech is None else joined(self._speech, heard)
        self._heard_to = end
        self._samples.forget(end - _PAST - STEP)

"""Female or male: a logistic layer over a voice's pitch and its embedding.

Pitch alone errs with low women's and high men's voices, an embedding alone with voices that are
unlike those it was trained on; both together err least. The weights come from
``scripts/train_gender.py`` and stand in ``gender.json`` with their provenance. The answer is about
the sound of a voice, not about a person.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.voiceprints import Voiceprint, require_model

__all__ = [
    "Gender",
    "gender_inputs",
    "gender_of",
    "gender_of_sound",
    "mean_gender",
    "voiceprint_inputs",
]

Float = NDArray[np.float32]

LEAST_SPEECH_S = 0.5
"""Seconds of speech from which on gender is told."""

LEAST_PITCHED = 10
"""Frames of 20 ms with a pitch from which on gender is told."""

_EMBEDDING = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Gender:
    """What a voice sounds like.

    ``llr`` is the natural logarithm of how much likelier the voice is a woman's than a man's;
    ``female`` and ``male`` are probabilities that sum to 1, for as many women as men. ``result`` is
    "female", "male", or "unknown" where neither is likely enough. ``speech_s`` is how many seconds
    of speech that was told from.
    """

    llr: float
    speech_s: float
    result: str

    @property
    def female(self) -> float:
        """Probability that the voice is a woman's."""
        return 1 / (1 + math.exp(-self.llr))

    @property
    def male(self) -> float:
        """Probability that the voice is a man's."""
        return 1 / (1 + math.exp(self.llr))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Layer:
    """``llr`` is ``inputs @ weights + constant``, within ``most``; unknown below ``least``."""

    weights: NDArray[np.float64]
    constant: float
    least: float
    most: float

    def __call__(self, inputs: Float, speech_s: float) -> Gender:
        llr = float(inputs.astype(np.float64) @ self.weights) + self.constant
        return self.gender(min(self.most, max(-self.most, llr)), speech_s)

    def gender(self, llr: float, speech_s: float) -> Gender:
        result = "unknown" if abs(llr) < self.least else "female" if llr > 0 else "male"
        return Gender(llr=llr, speech_s=speech_s, result=result)


def gender_inputs(hertz: Float, embedding: Float) -> Float:
    """What the layer sees of a voice: the quartiles of its pitch, and its embedding [256].

    ``hertz`` [n] are the frames that have a pitch, one or more.
    """
    quartiles = np.percentile(np.log(hertz / np.float32(150)), (25, 50, 75))
    return np.concatenate([quartiles, embedding]).astype(np.float32)


def voiceprint_inputs(voiceprint: Voiceprint) -> Float:
    """What the other layer sees of a voiceprint of the default model: WeSpeaker's part [256]."""
    part = voiceprint.vector[-_EMBEDDING:]
    return np.asarray(part / np.linalg.norm(part), np.float32)


def gender_of_sound(hertz: Float, embedding: Float, *, speech_s: float) -> Gender:
    """The gender of ``speech_s`` seconds of one voice: see `gender_inputs`."""
    return _layers()["sound"](gender_inputs(hertz, embedding), speech_s)


def mean_gender(heard: Sequence[Gender]) -> Gender:
    """One answer for several that `gender_of_sound` has given."""
    llr = sum(each.llr for each in heard) / len(heard)
    return _layers()["sound"].gender(llr, max(each.speech_s for each in heard))


def gender_of(voiceprint: Voiceprint) -> Gender:
    """The gender of a voiceprint of the default model; its pitch is not known any more.

    Raises `ForeignVoiceprint` and `VoiceprintError` for others.
    """
    voiceprint = require_model(voiceprint)
    return _layers()["voiceprint"](voiceprint_inputs(voiceprint), voiceprint.net_speech_s)


@cache
def _layers() -> Mapping[str, _Layer]:
    text = (files("earmark.traits") / "gender.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return {
        name: _Layer(
            weights=np.array(document[name]["weights"]),
            constant=document[name]["constant"],
            least=document[name]["unknown_below"],
            most=document[name]["most"],
        )
        for name in ("sound", "voiceprint")
    }

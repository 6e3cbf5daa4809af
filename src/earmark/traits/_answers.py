"""From frames and voices to the answers for a period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from earmark.traits._gender import Gender, mean_gender
from earmark.traits._model import Trait

__all__ = ["SILENT", "gender_trait", "shares", "sound_trait"]

Float = NDArray[np.float32]
T = TypeVar("T", float, Float)

SILENT = Trait(result="silence", confidence=1.0)

_SPEECH_ODDS = 3.0  # the detector is slow to call something speech: a quarter is enough
_SILENCE = 0.0005  # volume, below which what is neither speech nor music is silence
_SPOKEN = 0.35  # share of speech from which on somebody speaks


def shares(probabilities: Float) -> Float:
    """Speech, music and other [frames, 3], which sum to 1, of a detector's [frames, 2].

    Speech comes before music: people talk over it.
    """
    speech, music = probabilities[:, 0], probabilities[:, 1]
    speech = _with_odds(speech, _SPEECH_ODDS)
    return np.stack([speech, (1 - speech) * music, (1 - speech) * (1 - music)], axis=1)


def sound_trait(frames: Float, volume: float) -> Trait:
    """What is heard in frames of `shares`, of which there may be none."""
    if not len(frames):
        return SILENT
    speech, music, other = (float(each) for each in frames.mean(axis=0, dtype=np.float64))
    # Who talks pauses: with no music, a period is about speech when less than half of it is.
    spoken = _with_odds(speech, ((1 - _SPOKEN) / _SPOKEN) ** (1 - music) ** 2)
    rest = (1 - spoken) / max(1 - speech, 1e-9)
    raw = {"speech": spoken, "music": rest * music, "other": rest * other}
    result = max(raw, key=raw.__getitem__)
    if result == "other" and volume < _SILENCE:
        return Trait(result="silence", confidence=1.0, raw=raw)
    return Trait(result=result, confidence=min(1.0, raw[result]), raw=raw)


def _with_odds(share: T, factor: float) -> T:
    return factor * share / (factor * share + 1 - share)


def gender_trait(frames: Float, volume: float, heard: Sequence[Gender]) -> Trait:
    """The gender of who speaks in frames of `shares`, where ``heard`` is what was told of them."""
    if sound_trait(frames, volume).result == "silence":
        return SILENT
    spoken = float(frames[:, 0].mean(dtype=np.float64))
    if spoken < _SPOKEN:
        return Trait(result="no_speech", confidence=1 - spoken)
    if not heard:
        return Trait(result="unknown", confidence=1.0, raw={"female": 0.5, "male": 0.5})
    gender = mean_gender(heard)
    raw = {"female": gender.female, "male": gender.male}
    unsure = 1 - abs(gender.female - gender.male)
    return Trait(result=gender.result, confidence=raw.get(gender.result, unsure), raw=raw)

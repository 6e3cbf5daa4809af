"""How likely each frame's answer is right, from what the answer was drawn from.

A logistic model for each number of people that a frame was given, 0 to 2. Its weights come from
``scripts/calibrate_confidence.py`` and stand in ``certainty.json`` with their provenance.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._evidence import Evidence
from earmark.diarization._grid import tiles
from earmark.diarization._labelling import Labels
from earmark.diarization._probe import log_odds

__all__ = ["FEATURES", "certainty", "frame_features"]

Float = NDArray[np.float32]

FEATURES = ("constant", "speech", "overlap", "margin")
_ALL = slice(None)


def frame_features(evidence: Evidence, labels: Labels, part: slice = _ALL) -> Float:
    """What tells a right frame from a wrong one, for a part of them: float32 [n, 4].

    See `FEATURES`: the log odds of speech and of overlap, and how clearly the people in the frame
    are ahead of those left out.
    """
    margin = np.minimum(labels.margin[part], np.float32(3))
    odds = log_odds(evidence.speech[part]), log_odds(evidence.overlap[part])
    return np.stack([np.ones_like(margin), *odds, margin], axis=1)


def certainty(evidence: Evidence, labels: Labels, of: Literal["frames", "turns"]) -> Float:
    """How sure the answer is at each frame: float32 [T], 0..1.

    Of frames, the probability that exactly the right people are said to speak; of turns, that a
    person who is said to speak does.
    """
    weights = _weights()[of]
    sure = np.empty(len(labels.margin), np.float32)
    for start, stop in tiles(len(sure)):
        part = slice(start, stop)
        talkers = np.minimum(labels.active[part].sum(axis=1), len(weights) - 1)
        score = (frame_features(evidence, labels, part) * weights[talkers]).sum(axis=1)
        sure[part] = 1 / (1 + np.exp(-score))
    return sure


@cache
def _weights() -> dict[str, Float]:
    """Weights [talkers, features] of frames and of turns."""
    text = files("earmark.diarization").joinpath("certainty.json").read_text(encoding="utf-8")
    stored = json.loads(text)
    return {of: np.array(stored[of], np.float32) for of in ("frames", "turns")}

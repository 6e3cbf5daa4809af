"""How likely each frame's answer is right, from what the answer was drawn from.

A logistic model for each number of people that a frame was given, 0 to 2. Its weights come from
``scripts/calibrate_confidence.py`` and stand in ``certainty.json`` with their provenance.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._evidence import Evidence
from earmark.diarization._labelling import Labels

__all__ = ["FEATURES", "certainty", "frame_features"]

Float = NDArray[np.float32]

FEATURES = ("constant", "speech", "overlap", "margin")


def frame_features(evidence: Evidence, labels: Labels) -> Float:
    """What tells a right frame from a wrong one: float32 [T, 4], see `FEATURES`.

    The log odds of speech and of overlap, and how clearly the people in the frame are ahead of
    those left out.
    """
    return np.stack(
        [
            np.ones_like(evidence.speech),
            _log_odds(evidence.speech),
            _log_odds(evidence.overlap),
            np.minimum(labels.margin, np.float32(3)),
        ],
        axis=1,
    )


def certainty(evidence: Evidence, labels: Labels) -> Float:
    """The probability that each frame's set of speakers is right: float32 [T], 0..1."""
    talkers = np.minimum(labels.active.sum(axis=1), len(_weights()) - 1)
    score = (frame_features(evidence, labels) * _weights()[talkers]).sum(axis=1)
    return np.asarray(1 / (1 + np.exp(-score)), np.float32)


def _log_odds(probability: Float) -> Float:
    bounded = np.clip(probability, np.float32(0.005), np.float32(0.995))
    return np.asarray(np.log(bounded / (1 - bounded)), np.float32)


@cache
def _weights() -> Float:
    """Weights [talkers, features]."""
    text = files("earmark.diarization").joinpath("certainty.json").read_text(encoding="utf-8")
    return np.array(json.loads(text)["weights"], np.float32)

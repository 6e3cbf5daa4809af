"""A second opinion on where somebody speaks, from an embedding network that runs anyway.

A network that tells voices apart must know voice from silence: a linear layer on CAM++'s frame map
says whether one and whether two people speak. It sees other things than the segmentation network
does and errs elsewhere, so the mean of both is better than either. The weights come from
``scripts/train_speech_probe.py`` and stand in ``speech_probe.npz`` with their provenance.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._grid import tiles
from earmark.models import product

__all__ = [
    "NETWORK",
    "Probe",
    "log_odds",
    "probe_inputs",
    "score_speech",
    "second_opinion",
    "trend",
]

Float = NDArray[np.float32]

NETWORK = "campplus"
_SMOOTHED = 5  # frames of 20 ms
_SHIFTS = (-12, -6, -3, 0, 3, 6, 12)  # frames of 16.875 ms at which speech is looked at ...
_OVERLAP_SHIFTS = (-6, 0, 6)  # ... and overlap

Probe = Callable[[Float], Float]
"""From a frame map [t, channels] to scores [t, n] that are kept for every frame of speech."""


def probe_inputs(frames: Float) -> Float:
    """What the linear layer sees of a frame map [t, channels]: its roots, smoothed over 0.1 s."""
    roots = np.sqrt(np.maximum(frames, 0))
    margin = _SMOOTHED // 2
    padded = np.pad(roots, ((margin + 1, margin), (0, 0)), mode="edge")
    padded[0] = 0
    running = np.cumsum(padded, axis=0, dtype=np.float32)
    return np.asarray((running[_SMOOTHED:] - running[:-_SMOOTHED]) / np.float32(_SMOOTHED))


def score_speech(frames: Float) -> Float:
    """The layer's part that depends on the frame map: [t, 2], for speech and for overlap."""
    return product(probe_inputs(frames), _weights()["frames"])


def trend(speech: Float, overlap: Float) -> Float:
    """What the layer sees of the segmentation: log odds around each frame, [T, 10]."""
    columns = [_shifted(log_odds(speech), shift) for shift in _SHIFTS]
    columns += [_shifted(log_odds(overlap), shift) for shift in _OVERLAP_SHIFTS]
    return np.stack(columns, axis=1)


def second_opinion(
    speech: Float, overlap: Float, scores: NDArray[np.floating]
) -> tuple[Float, Float]:
    """Probabilities of speech and of overlap [T], each the mean of both networks' opinions.

    ``speech`` and ``overlap`` [T] are the segmentation's, ``scores`` [T, 2] come from
    `score_speech`; where they are NaN, nothing was embedded and the segmentation stands alone.
    """
    weights, reach = _weights(), max(_SHIFTS)
    mean = np.stack([speech, overlap])
    for start, stop in tiles(len(speech)):
        low = max(0, start - reach)
        around = slice(low, stop + reach)
        seen = trend(speech[around], overlap[around])[start - low : stop - low]
        odds = scores[start:stop] + product(seen, weights["trend"]) + weights["constant"]
        opinion = (1 / (1 + np.exp(-odds))).T
        own = mean[:, start:stop]
        mean[:, start:stop] = np.where(np.isnan(opinion), own, (own + opinion) / 2)
    return mean[0], mean[1]


def log_odds(probability: Float) -> Float:
    """Log odds of probabilities, kept within those of 0.005 and 0.995."""
    bounded = np.clip(probability, np.float32(0.005), np.float32(0.995))
    return np.asarray(np.log(bounded / (1 - bounded)), np.float32)


def _shifted(values: Float, shift: int) -> Float:
    index = np.clip(np.arange(len(values)) + shift, 0, len(values) - 1)
    return values[index]


@cache
def _weights() -> dict[str, Float]:
    """``frames`` [2, channels], ``trend`` [2, 10] and ``constant`` [2]."""
    with as_file(files("earmark.diarization") / "speech_probe.npz") as path, np.load(path) as file:
        return {name: file[name].astype(np.float32) for name in ("frames", "trend", "constant")}

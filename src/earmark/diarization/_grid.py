"""The frames of the segmentation network on the recording's time line.

Windows start at multiples of one frame, so that their frames fall on one grid.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLOCK_S",
    "FRAME_S",
    "FRAME_SAMPLES",
    "FRAME_START_S",
    "WINDOW_FRAMES",
    "WINDOW_SAMPLES",
    "frames_before",
    "frames_in",
    "runs",
    "tiles",
    "times_of",
]

#: The grid of what is embedded.
BLOCK_S = 0.08

FRAME_SAMPLES = 270
FRAME_S = FRAME_SAMPLES / 16000
#: Frame 0 is centred in its receptive field of 991 samples and counts for one step around that.
FRAME_START_S = (991 / 2 - FRAME_SAMPLES / 2) / 16000
WINDOW_SAMPLES = 160_000
WINDOW_FRAMES = 589

_FIELD = 991  # samples that a frame sees
_TILE = 20_000


def frames_before(end_s: float) -> int:
    """How many frames have their centres before ``end_s``; at least one."""
    return max(1, int(np.ceil((end_s - FRAME_START_S) / FRAME_S - 0.5)))


def frames_in(samples: int) -> int:
    """How many frames a window of ``samples`` has."""
    return (samples - _FIELD) // FRAME_SAMPLES + 1


def runs(active: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Stretches of True in ``active`` [n]: int64 [runs, 2], first index and the one behind."""
    padded = np.zeros(len(active) + 2, np.int8)
    padded[1:-1] = active
    edges = np.flatnonzero(np.diff(padded))
    return edges.reshape(-1, 2).astype(np.int64)


def tiles(frames: int) -> Iterator[tuple[int, int]]:
    """First frame and the one behind the last of stretches short enough to work on at once."""
    for start in range(0, frames, _TILE):
        yield start, min(start + _TILE, frames)


def times_of(first: int, last: int, duration: float) -> tuple[float, float]:
    """Seconds of the frames ``first`` to ``last`` (behind) of a recording of ``duration`` seconds.

    The first frame reaches back to the beginning.
    """
    start = first * FRAME_S + FRAME_START_S if first else 0.0
    return min(start, duration), min(last * FRAME_S + FRAME_START_S, duration)

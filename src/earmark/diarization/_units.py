"""Units: short stretches of one speaker within one window, the things that are clustered.

A window's "speaker" is sometimes two people of similar voices, so its turns are cut into short
units, each embedded from the frames in which nobody else speaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._grid import FRAME_S, runs
from earmark.diarization._parameters import Parameters
from earmark.diarization._segmentation import CLASS_SPEAKERS, LOCAL_SPEAKERS

__all__ = ["Unit", "cut_units"]


@dataclass(frozen=True, slots=True)
class Unit:
    """Frames ``first`` to ``last`` (behind) of speaker ``local`` in one window.

    ``clean`` int64 [n, 2] are the stretches of it in which only that speaker is active.
    """

    local: int
    first: int
    last: int
    clean: NDArray[np.int64]

    @property
    def clean_s(self) -> float:
        """Seconds in which only this speaker is active."""
        return float((self.clean[:, 1] - self.clean[:, 0]).sum()) * FRAME_S


def cut_units(probabilities: NDArray[np.float32], parameters: Parameters) -> list[Unit]:
    """The units of one window from its class probabilities [frames, 7]."""
    active = CLASS_SPEAKERS[probabilities.argmax(axis=1)] > 0
    talkers = active.sum(axis=1)
    units = []
    for local in range(LOCAL_SPEAKERS):
        for first, last in _turns(active[:, local], talkers, parameters.pause_s):
            pieces = max(1, int(np.ceil((last - first) * FRAME_S / parameters.unit_s)))
            edges = np.linspace(first, last, pieces + 1).round().astype(int).tolist()
            for begin, end in pairwise(edges):
                alone = active[begin:end, local] & (talkers[begin:end] == 1)
                units.append(Unit(local, begin, end, runs(alone) + begin))
    return units


def _turns(
    active: NDArray[np.bool_], talkers: NDArray[np.intp], pause_s: float
) -> list[tuple[int, int]]:
    """Stretches of ``active``, joined over short pauses in which nobody speaks."""
    turns: list[tuple[int, int]] = []
    for first, last in runs(active).tolist():
        if turns:
            before = turns[-1][1]
            if (first - before) * FRAME_S < pause_s and not talkers[before:first].any():
                turns[-1] = (turns[-1][0], last)
                continue
        turns.append((first, last))
    return turns

"""Frames, runs, and the units that a window's turns are cut into."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from earmark.diarization._grid import FRAME_S, FRAME_START_S, frames_before, runs
from earmark.diarization._parameters import Parameters
from earmark.diarization._segmentation import CLASS_SPEAKERS
from earmark.diarization._units import Unit, cut_units

Float = NDArray[np.float32]
NOBODY, A, B, AB = 0, 1, 2, 4
CUTS = Parameters(unit_s=2.0, pause_s=0.3)


def window(*stretches: tuple[int, int]) -> Float:
    """Class probabilities of stretches of (class, frames)."""
    classes = np.concatenate([np.full(frames, kind) for kind, frames in stretches])
    return np.asarray(np.eye(len(CLASS_SPEAKERS))[classes], np.float32)


def spans(units: list[Unit]) -> list[tuple[int, int, int]]:
    return [(unit.local, unit.first, unit.last) for unit in units]


@given(st.lists(st.booleans(), max_size=60))
def test_runs_are_the_stretches_of_true(active: list[bool]) -> None:
    found = runs(np.array(active, np.bool_)).tolist()
    assert [i for first, last in found for i in range(first, last)] == [
        i for i, here in enumerate(active) if here
    ]
    # None is empty, and between two of them something is not active.
    assert all(first < last for first, last in found)
    assert all(last < first for (_, last), (first, _) in pairwise(found))


@pytest.mark.parametrize(
    ("end_s", "frames"),
    [(0.0, 1), (0.03, 1), (0.031, 1), (0.0478, 1), (0.0479, 2), (10.0, 591), (1.0, 58)],
)
def test_frames_before_a_time_have_their_centres_there(end_s: float, frames: int) -> None:
    assert frames_before(end_s) == frames
    centres = (np.arange(1000) + 0.5) * FRAME_S + FRAME_START_S
    assert frames == max(1, (centres < end_s).sum())


def test_a_turn_is_cut_into_equal_units_of_two_seconds_at_most() -> None:
    units = cut_units(window((NOBODY, 20), (A, 300), (NOBODY, 30)), CUTS)
    assert spans(units) == [(0, 20, 120), (0, 120, 220), (0, 220, 320)]
    assert all(unit.clean.tolist() == [[unit.first, unit.last]] for unit in units)
    assert units[0].clean_s == pytest.approx(100 * FRAME_S)


def test_a_short_pause_does_not_end_a_turn_and_is_not_clean() -> None:
    units = cut_units(window((A, 30), (NOBODY, 17), (A, 30)), CUTS)
    assert spans(units) == [(0, 0, 77)]
    assert units[0].clean.tolist() == [[0, 30], [47, 77]]
    assert units[0].clean_s == pytest.approx(60 * FRAME_S)


def test_a_long_pause_ends_a_turn() -> None:
    units = cut_units(window((A, 30), (NOBODY, 18), (A, 30)), CUTS)
    assert spans(units) == [(0, 0, 30), (0, 48, 78)]


def test_somebody_else_ends_a_turn_however_short() -> None:
    units = cut_units(window((A, 30), (B, 5), (A, 30)), CUTS)
    assert spans(units) == [(0, 0, 30), (0, 35, 65), (1, 30, 35)]


def test_overlap_belongs_to_both_and_is_clean_for_neither() -> None:
    units = cut_units(window((A, 40), (AB, 20), (B, 40)), CUTS)
    assert spans(units) == [(0, 0, 60), (1, 40, 100)]
    assert [unit.clean.tolist() for unit in units] == [[[0, 40]], [[60, 100]]]


def test_all_overlap_leaves_units_without_clean_speech() -> None:
    units = cut_units(window((AB, 50)), CUTS)
    assert spans(units) == [(0, 0, 50), (1, 0, 50)]
    assert all(unit.clean_s == 0 and unit.clean.shape == (0, 2) for unit in units)


def test_silence_has_no_units() -> None:
    assert cut_units(window((NOBODY, 589)), CUTS) == []

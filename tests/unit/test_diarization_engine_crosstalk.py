"""Channels that hear each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._crosstalk import without_crosstalk
from earmark.diarization._evidence import Evidence
from engine import Said, conversation, voices

PEOPLE = voices(2)
DURATION = 20.0


def side(talk: list[Said], loudness: list[tuple[float, float, float]]) -> Evidence:
    """One side of a call: what its segmentation finds, and loudness from, to (seconds), in dB."""
    evidence = conversation(talk, PEOPLE, duration=DURATION)
    level = np.full(len(evidence.speech), -70, np.float16)
    for start, end, value in loudness:
        level[frames(start) : frames(end)] = value
    return replace(evidence, level=level)


def frames(seconds: float) -> int:
    return round(seconds / 0.016875)


def speaks(evidence: Evidence, start: float, end: float) -> NDArray[np.bool_]:
    """Away from the edges of start..end, over which loudness is smoothed."""
    return evidence.speech[frames(start + 0.5) : frames(end - 0.5)] > 0.5


def test_the_far_side_is_taken_out() -> None:
    """Both sides hear both people, the other one 25 dB fainter."""
    talk = [Said(2, 8, 0), Said(11, 17, 1)]
    near = side(talk, [(2, 8, -20), (11, 17, -45)])
    far = side(talk, [(2, 8, -45), (11, 17, -20)])
    own, other = without_crosstalk([near, far])
    assert speaks(own, 2, 8).all()
    assert not speaks(own, 11, 17).any()
    assert not speaks(other, 2, 8).any()
    assert speaks(other, 11, 17).all()
    begin = near.window_frame[near.unit_window] + near.unit_span[:, 0]
    foreign = (frames(11.5) < begin) & (begin < frames(15))
    assert foreign.any()
    assert not own.unit_vector[foreign].any()
    assert not own.unit_clean_s[foreign].any()
    mine = begin < frames(7)
    assert np.array_equal(own.unit_vector[mine], near.unit_vector[mine])


def test_a_faint_person_who_speaks_alone_stays() -> None:
    faint = side([Said(2, 8, 0)], [(2, 8, -50)])
    silent = side([], [])
    assert speaks(without_crosstalk([faint, silent])[0], 2, 8).all()


def test_noise_on_the_other_channel_silences_nobody() -> None:
    person = side([Said(2, 8, 0)], [(2, 8, -40)])
    hum = side([], [(0, 20, -10)])
    assert speaks(without_crosstalk([person, hum])[0], 2, 8).all()


def test_both_sides_may_talk_at_once() -> None:
    one = side([Said(2, 8, 0)], [(2, 8, -20)])
    two = side([Said(2, 8, 1)], [(2, 8, -29)])
    for cleaned in without_crosstalk([one, two]):
        assert speaks(cleaned, 2, 8).all()


def test_one_channel_is_left_alone() -> None:
    one = side([Said(2, 8, 0)], [(2, 8, -20)])
    assert without_crosstalk([one]) == [one]

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from earmark.diarization import SpeakerChart, Turn
from results import diarization, turn, turns


def test_a_small_talk() -> None:
    chart = diarization(
        turn(0, 10, "A"),
        turn(4, 5, "B"),  # "mhm": inside A's turn, takes nothing
        turn(9, 14, "B"),  # takes the floor from A
        turn(20, 22, "A"),
        duration=30,
    ).chart()
    assert (chart.duration, chart.speech, chart.silence) == (30, 16, 14)
    assert (chart.overlap, chart.interruptions) == (2, 1)
    assert chart.speakers == (
        SpeakerChart(
            speaker="A",
            talk=12,
            share=round(12 / 18, 4),
            turns=2,
            longest_turn=10,
            overlap=2,
            interruptions=0,
        ),
        SpeakerChart(
            speaker="B",
            talk=6,
            share=round(6 / 18, 4),
            turns=2,
            longest_turn=5,
            overlap=2,
            interruptions=1,
        ),
    )


def _interruptions(*rows: Turn) -> dict[str, int]:
    chart = diarization(*rows).chart()
    return {each.speaker: each.interruptions for each in chart.speakers}


def test_an_overlap_too_short_to_hear_is_no_interruption() -> None:
    assert _interruptions(turn(0, 5.119, "A"), turn(5, 8, "B")) == {"A": 0, "B": 0}
    assert _interruptions(turn(0, 5.12, "A"), turn(5, 8, "B")) == {"A": 0, "B": 1}


def test_starting_together_is_no_interruption() -> None:
    assert _interruptions(turn(0, 5, "A"), turn(0, 8, "B")) == {"A": 0, "B": 0}


def test_ending_together_is_no_interruption() -> None:
    assert _interruptions(turn(0, 5, "A"), turn(1, 5, "B")) == {"A": 0, "B": 0}


def test_joining_two_who_already_talk_at_once_takes_the_floor_from_nobody() -> None:
    assert _interruptions(turn(0, 5, "A"), turn(1, 6, "B"), turn(2, 9, "C")) == {
        "A": 0,
        "B": 1,
        "C": 0,
    }


def test_interrupting_back_counts_for_the_other() -> None:
    assert _interruptions(turn(0, 5, "A"), turn(4, 9, "B"), turn(8, 12, "A")) == {"A": 1, "B": 1}


def test_one_person_on_two_channels_does_not_overlap_herself() -> None:
    chart = diarization(turn(0, 5, "A", 0), turn(1, 6, "A", 1)).chart()
    assert (chart.speech, chart.overlap, chart.speakers[0].talk) == (6, 0, 6)
    assert chart.interruptions == 0


def test_two_channels_share_one_time_line() -> None:
    assert diarization(turn(0, 5, "A", 0), turn(4, 6, "B", 1)).chart().overlap == 1


def test_silence_only() -> None:
    chart = diarization(duration=12).chart()
    assert (chart.speech, chart.silence, chart.speakers) == (0, 12, ())


@settings(max_examples=25)
@given(turns())
def test_the_figures_agree_with_a_count_of_milliseconds(rows: tuple[Turn, ...]) -> None:
    rows = tuple(row for row in rows if row.end < 60)
    chart = diarization(*rows, duration=60).chart()
    active: dict[str, NDArray[np.bool_]] = {}
    for row in rows:
        own = active.setdefault(row.speaker, np.zeros(60_000, np.bool_))
        own[round(row.start * 1000) : round(row.end * 1000)] = True
    talkers = sum((own.astype(np.int64) for own in active.values()), np.zeros(60_000, np.int64))
    assert chart.speech == pytest.approx((talkers > 0).sum() / 1000, abs=1e-9)
    assert chart.overlap == pytest.approx((talkers > 1).sum() / 1000, abs=1e-9)
    assert chart.speech + chart.silence == pytest.approx(60)
    for each in chart.speakers:
        own = active[each.speaker]
        assert each.talk == pytest.approx(own.sum() / 1000, abs=1e-9)
        assert each.overlap == pytest.approx((own & (talkers > 1)).sum() / 1000, abs=1e-9)
    if rows:
        assert sum(each.share for each in chart.speakers) == pytest.approx(1, abs=1e-3)

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.diarization import Turn
from earmark.diarization._turn import clip, one_at_a_time, unite
from earmark.errors import InvalidInput
from results import turn, turns


def test_times_are_kept_to_the_millisecond() -> None:
    kept = Turn(start=0.0309, end=1.00049, speaker="A", confidence=0.87654)
    assert (kept.start, kept.end, kept.duration, kept.confidence) == (0.031, 1.0, 0.969, 0.877)


@pytest.mark.parametrize(
    ("start", "end"),
    [(-1.0, 1.0), (1.0, 1.0), (2.0, 1.0), (0.0, 0.0004), (math.nan, 1.0), (0.0, math.inf)],
)
def test_impossible_times_are_refused(start: float, end: float) -> None:
    with pytest.raises(InvalidInput):
        Turn(start=start, end=end, speaker="A")


@pytest.mark.parametrize("name", ["", " ", "\n\t", "\u2028", "a\ud800"])
def test_a_speaker_needs_a_visible_name_in_valid_unicode(name: str) -> None:
    with pytest.raises(InvalidInput):
        Turn(start=0, end=1, speaker=name)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan])
def test_confidence_is_a_probability(confidence: float) -> None:
    with pytest.raises(InvalidInput):
        Turn(start=0, end=1, speaker="A", confidence=confidence)


def test_a_negative_channel_is_refused() -> None:
    with pytest.raises(InvalidInput):
        turn(0, 1, "A", channel=-1)


def test_turns_sort_by_start_end_speaker_and_a_mix_before_channels() -> None:
    rows = [
        turn(1, 2, "B"),
        turn(1, 2, "A", 0),
        turn(1, 2, "A"),
        turn(0, 9, "Z"),
        turn(1, 1.5, "Z"),
    ]
    assert sorted(rows) == [rows[3], rows[4], rows[2], rows[1], rows[0]]


def test_clip_keeps_what_lies_inside() -> None:
    rows = (turn(0, 2, "A"), turn(3, 5, "B"), turn(6, 7, "A"))
    assert clip(rows, 1, 6) == (turn(1, 2, "A"), turn(3, 5, "B"))


def test_unite_joins_what_touches_and_weighs_confidence_by_length() -> None:
    joined = unite(
        [
            Turn(start=0, end=3, speaker="A", confidence=1.0),
            Turn(start=3, end=4, speaker="A", confidence=0.6),
            Turn(start=4.001, end=5, speaker="A"),
        ]
    )
    assert joined == (
        Turn(start=0, end=4, speaker="A", confidence=0.9),
        Turn(start=4.001, end=5, speaker="A"),
    )


def test_unite_keeps_channels_apart_and_a_turn_inside_another_does_not_end_it() -> None:
    assert unite([turn(0, 9, "A"), turn(1, 2, "A"), turn(5, 6, "A"), turn(8, 12, "A")]) == (
        turn(0, 12, "A"),
    )
    assert len(unite([turn(0, 9, "A", 0), turn(1, 2, "A", 1)])) == 2


def test_one_at_a_time_lets_whoever_began_first_finish() -> None:
    assert one_at_a_time([turn(0, 5, "A"), turn(1, 2, "B"), turn(4, 8, "C")]) == (
        turn(0, 5, "A"),
        turn(5, 8, "C"),
    )


def test_one_at_a_time_is_per_channel() -> None:
    both = (turn(0, 5, "A", 0), turn(1, 2, "B", 1))
    assert one_at_a_time(both) == both


def _milliseconds(rows: Iterable[Turn]) -> list[tuple[int, int, str]]:
    return [(round(row.start * 1000), round(row.end * 1000), row.speaker) for row in rows]


@given(turns())
def test_one_at_a_time_covers_the_same_speech_without_overlap(rows: tuple[Turn, ...]) -> None:
    spans = _milliseconds(one_at_a_time(rows))
    assert all(end <= start for (_, end, _), (start, _, _) in itertools.pairwise(spans))
    talk = _milliseconds(rows)
    assert all(
        any(s <= start and end <= e and who == name for s, e, name in talk)
        for start, end, who in spans
    )

    def covered(pieces: list[tuple[int, int, str]]) -> int:
        reach = total = 0
        for start, end, _ in sorted(pieces):
            total += max(0, end - max(start, reach))
            reach = max(reach, end)
        return total

    assert covered(spans) == covered(talk)


@given(turns(), st.integers(0, 4_000_000), st.integers(1, 1_000_000))
def test_clipping_in_two_halves_loses_nothing(
    rows: tuple[Turn, ...], middle: int, width: int
) -> None:
    cut = middle / 1000
    left, right = clip(rows, 0, cut), clip(rows, cut, 10_000)
    assert _milliseconds(unite((*left, *right))) == _milliseconds(rows)

"""Which stretches of a diarization voiceprints are made from."""

from __future__ import annotations

import pytest
from hypothesis import given

from earmark.diarization import Diarization, Turn
from earmark.diarization._voices import clean_spans, overlap_shares
from results import diarization, turn, turns


def times(result: Diarization) -> dict[str, list[tuple[float, float]]]:
    return {
        speaker: [(span.start, span.end) for span in spans]
        for speaker, spans in clean_spans(result).items()
    }


def test_only_who_speaks_alone_is_heard() -> None:
    result = diarization(turn(0, 5, "A"), turn(4, 8, "B"), turn(6, 7, "A"), turn(7.5, 8, "C"))
    assert times(result) == {"A": [(0, 4)], "B": [(5, 6), (7, 7.5)]}
    assert overlap_shares(result) == pytest.approx({"A": 2 / 6, "B": 2.5 / 4, "C": 1})


def test_channels_do_not_disturb_each_other() -> None:
    result = diarization(turn(0, 5, "A", 0), turn(0, 5, "B", 1))
    assert times(result) == {"A": [(0, 5)], "B": [(0, 5)]}
    assert {span.channel for spans in clean_spans(result).values() for span in spans} == {0, 1}
    assert overlap_shares(result) == {"A": 0, "B": 0}


def test_long_stretches_come_before_short_ones_up_to_a_limit() -> None:
    result = diarization(turn(0, 25, "A"), *(turn(30 + i, 30.5 + i, "A") for i in range(40)))
    own = times(result)["A"]
    assert sum(end - start for start, end in own) == pytest.approx(30, abs=0.3)
    assert sum(end - start for start, end in own if end <= 25) == pytest.approx(25)
    assert own == sorted(own)


def test_a_word_is_enough_when_there_is_no_more() -> None:
    assert times(diarization(turn(0, 0.25, "A"))) == {"A": [(0, 0.25)]}
    assert times(diarization(turn(0, 0.1, "A"))) == {}


@given(turns())
def test_stretches_lie_in_turns_of_their_speaker_alone(talk: tuple[Turn, ...]) -> None:
    result = diarization(*talk)
    for speaker, spans in clean_spans(result).items():
        for span in spans:
            talking = {
                each.speaker
                for each in result.turns
                if each.channel == span.channel
                and each.start < span.end - 1e-6
                and each.end > span.start + 1e-6
            }
            assert talking == {speaker}
    assert all(0 <= share <= 1 for share in overlap_shares(result).values())

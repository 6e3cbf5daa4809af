"""The table of a session's turns: revisions, merges and who speaks when."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

from earmark.live import Identity, TurnState
from earmark.live._changes import Merge, TurnChange
from earmark.live._turns import TurnTable

FIRST = TurnChange(
    turn=1, state=TurnState.PROVISIONAL, start=1.0, end=2.0, speaker="SPEAKER_00", going=True
)
SECOND = TurnChange(
    turn=2, state=TurnState.CONFIRMED, start=3.0, end=5.0, speaker="SPEAKER_01", confidence=0.5
)
ADA = Identity(speaker_id="s1", name="Ada", cosine=0.8, llr=9.0, probability=1.0)


def test_each_change_is_a_revision() -> None:
    table = TurnTable()
    assert table.set(FIRST) == 1
    assert table.set(replace(FIRST, end=2.5)) == 2
    assert table.set(replace(FIRST, speaker="SPEAKER_03")) == 3
    assert table.set(SECOND) == 1
    assert table.speakers == ("SPEAKER_03", "SPEAKER_01")
    assert table.count == 2
    assert table.speech_s == 3.0


def test_a_withdrawn_turn_never_was() -> None:
    table = TurnTable()
    table.set(SECOND)
    table.set(FIRST)
    table.set(replace(FIRST, state=TurnState.WITHDRAWN))
    assert [turn.turn for turn in table.known({})] == [2]
    assert table.speakers == ("SPEAKER_01",)
    assert table.speech_s == 2.0


def test_merged_labels_share_their_turns_from_a_time_on() -> None:
    table = TurnTable()
    table.set(FIRST)
    table.set(replace(FIRST, turn=3, start=8.0, end=9.0))
    table.set(SECOND)
    table.merge(Merge(source="SPEAKER_00", target="SPEAKER_01", since=6.0))
    known = table.known({"SPEAKER_01": ADA, "SPEAKER_00": None})
    assert [(turn.turn, turn.speaker, turn.name) for turn in known] == [
        (1, "SPEAKER_00", None),
        (2, "SPEAKER_01", "Ada"),
        (3, "SPEAKER_01", "Ada"),
    ]
    assert known[1].confidence == 0.5
    assert known[0].confidence is None
    assert table.since("SPEAKER_01") == 3.0


def test_who_speaks_between_two_times() -> None:
    table = TurnTable()
    table.set(FIRST)
    table.set(SECOND)
    assert table.between(0.0, 4.0) == {"SPEAKER_00": 3.0, "SPEAKER_01": 1.0}  # one goes on
    table.set(replace(FIRST, going=False))
    assert table.between(0.0, 4.0) == {"SPEAKER_00": 1.0, "SPEAKER_01": 1.0}
    assert table.between(5.0, 6.0) == {}
    assert table.speaker_of([(1.5, 2.0), (3.0, 4.0)]) == "SPEAKER_01"
    assert table.speaker_of([(2.0, 3.0)]) is None


def test_many_turns_take_little_room() -> None:
    """A day has some 40,000."""
    tracemalloc.start()
    table = TurnTable()
    for turn in range(1, 2001):
        table.set(replace(SECOND, turn=turn, start=2.0 * turn, end=2.0 * turn + 1))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table.known({})) == 2000
    assert held < 2000 * 100

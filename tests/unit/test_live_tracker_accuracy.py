"""What a session told, put together from its events."""

from __future__ import annotations

from earmark.bench import told_by
from earmark.diarization import Turn
from earmark.live import Event, Relabel, RelabelReason, TurnState, TurnUpdate

PROVISIONAL, CONFIRMED, WITHDRAWN = TurnState


def update(
    number: int,
    at: float,
    state: TurnState,
    start: float,
    end: float,
    speaker: str = "A",
    *,
    turn: int = 1,
) -> TurnUpdate:
    return TurnUpdate(
        number=number,
        at=at,
        turn=turn,
        revision=number,
        state=state,
        start=start,
        end=end,
        speaker=speaker,
    )


def test_what_was_told_late_or_taken_back_late_counts_against_the_provisional_turns() -> None:
    events: list[Event] = [
        update(1, 2.0, PROVISIONAL, 0.5, 2.0),
        update(2, 2.5, PROVISIONAL, 1.5, 2.5, "B", turn=2),
        update(3, 4.0, WITHDRAWN, 1.5, 2.5, "B", turn=2),
        update(4, 8.0, CONFIRMED, 0.5, 2.5),
        Relabel(number=5, at=9.0, source="A", target="C", since=0.5, reason=RelabelReason.MERGED),
    ]
    told = told_by(events, duration=10.0)
    assert told.provisional == (
        Turn(start=1.0, end=1.5, speaker="A"),
        Turn(start=1.5, end=2.0, speaker="A"),
        Turn(start=1.5, end=2.5, speaker="B"),
    )
    assert told.confirmed == (Turn(start=0.5, end=2.5, speaker="A"),)
    assert told.relabelled == (Turn(start=0.5, end=2.5, speaker="C"),)
    assert told.first_told_s == (1.5, 1.0)
    assert told.confirmed_s == (5.5,)

"""The turns that were told, and what to tell so that they become those that are known now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from earmark.live._changes import TurnChange
from earmark.live._events import TurnState

__all__ = ["PAUSE_S", "Book", "Piece", "joined", "label_of", "number_of"]

PAUSE_S = 0.21
"""Shorter pauses do not end a turn."""

_SAME_S = 0.005  # times that differ by less are the same


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Speaker number ``speaker`` from ``start`` to ``end`` seconds; ``settled`` when that is."""

    start: float
    end: float
    speaker: int
    settled: bool
    going: bool = False
    confidence: float | None = None


def label_of(speaker: int) -> str:
    """What the speaker of this number is called."""
    return f"SPEAKER_{speaker:02d}"


def number_of(label: str) -> int:
    """The number of the speaker who is called ``label``."""
    return int(label.rpartition("_")[2])


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Pieces by start; those of one speaker that touch are one, settled when the last part is."""
    lanes: dict[int, list[Piece]] = {}
    for piece in sorted(pieces, key=lambda piece: (piece.start, piece.end)):
        lane = lanes.setdefault(piece.speaker, [])
        if lane and piece.start - lane[-1].end < PAUSE_S:
            last = lane[-1]
            later = piece if piece.end > last.end else last
            lane[-1] = replace(
                last,
                end=later.end,
                settled=last.settled and piece.settled,
                going=later.going,
                confidence=_mean(last, piece),
            )
        else:
            lane.append(piece)
    return sorted((piece for lane in lanes.values() for piece in lane), key=_order)


class Book:
    """Turns by number, from 1; those that cannot change any more are forgotten."""

    def __init__(self) -> None:
        self._turns: dict[int, Piece] = {}
        self._count = 0

    @property
    def pieces(self) -> list[Piece]:
        """The turns as they were told."""
        return list(self._turns.values())

    def update(self, since: float, pieces: Sequence[Piece]) -> list[TurnChange]:
        """What changes so that the turns from ``since`` on (seconds) are ``pieces``.

        A turn that begins earlier keeps that part, when it goes on with the same speaker.
        """
        old = {n: turn for n, turn in self._turns.items() if turn.end > since}
        new = self._with_beginnings(since, old, pieces)
        found = _matching(old, new)
        changes = []
        for number, turn in old.items():
            if number not in found and turn.start < since - _SAME_S:
                changes += self._tell(number, replace(turn, end=since, going=False, settled=True))
            elif number not in found:
                del self._turns[number]
                changes.append(_change(number, turn, TurnState.WITHDRAWN))
        matched = {place: number for number, place in found.items()}
        for place, piece in enumerate(new):
            number = matched.get(place, 0)
            if not number:
                self._count += 1
                number = self._count
            changes += self._tell(number, piece)
        return changes

    def relabel(self, source: int, target: int) -> None:
        """Give the turns of one speaker to another, as a merge tells."""
        for number, turn in self._turns.items():
            if turn.speaker == source:
                self._turns[number] = replace(turn, speaker=target)

    def forget(self, until: float) -> None:
        """Let go of turns that end before ``until``."""
        self._turns = {n: turn for n, turn in self._turns.items() if turn.end > until}

    def _tell(self, number: int, piece: Piece) -> list[TurnChange]:
        before = self._turns.get(number)
        if before is not None and _same(before, piece):
            return []
        self._turns[number] = piece
        return [_change(number, piece)]

    @staticmethod
    def _with_beginnings(
        since: float, old: dict[int, Piece], pieces: Sequence[Piece]
    ) -> list[Piece]:
        """``pieces``, those at ``since`` lengthened by what was told of them before."""
        earlier = {turn.speaker: turn.start for turn in old.values() if turn.start < since}
        return [
            replace(piece, start=min(piece.start, earlier[piece.speaker]))
            if piece.start - since < PAUSE_S and piece.speaker in earlier
            else piece
            for piece in pieces
        ]


def _matching(old: dict[int, Piece], new: list[Piece]) -> dict[int, int]:
    """For numbers of old turns the places of new ones: those that overlap most, best first."""
    pairs = []
    first = 0
    numbers = sorted(old, key=lambda number: _order(old[number]))
    longest = max((turn.end - turn.start for turn in old.values()), default=0.0)
    for place, piece in enumerate(new):
        while first < len(numbers) and old[numbers[first]].start + longest <= piece.start:
            first += 1
        for number in numbers[first:]:
            turn = old[number]
            if turn.start >= piece.end:
                break
            shared = min(turn.end, piece.end) - max(turn.start, piece.start)
            if shared > 0:
                worth = shared * (2 if turn.speaker == piece.speaker else 1)
                pairs.append((-worth, number, place))
    found: dict[int, int] = {}
    taken: set[int] = set()
    for _, number, place in sorted(pairs):
        if number not in found and place not in taken:
            found[number] = place
            taken.add(place)
    return found


def _same(one: Piece, other: Piece) -> bool:
    return (
        one.speaker == other.speaker
        and one.settled == other.settled
        and one.going == other.going
        and abs(one.start - other.start) < _SAME_S
        and abs(one.end - other.end) < _SAME_S
    )


def _change(number: int, piece: Piece, state: TurnState | None = None) -> TurnChange:
    known = TurnState.CONFIRMED if piece.settled else TurnState.PROVISIONAL
    return TurnChange(
        turn=number,
        state=state or known,
        start=round(piece.start, 3),
        end=round(piece.end, 3),
        speaker=label_of(piece.speaker),
        going=piece.going and state is None,
        confidence=None if piece.confidence is None else round(piece.confidence, 3),
    )


def _mean(one: Piece, other: Piece) -> float | None:
    if one.confidence is None or other.confidence is None:
        return None
    a, b = one.end - one.start, other.end - other.start
    return (one.confidence * a + other.confidence * b) / (a + b) if a + b else one.confidence


def _order(piece: Piece) -> tuple[float, float, int]:
    return piece.start, piece.end, piece.speaker

"""The turns of a session, as they were told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from earmark.live._changes import Merge, TurnChange
from earmark.live._events import Identity, TurnState
from earmark.live._view import KnownTurn

__all__ = ["TurnTable"]


class TurnTable:
    """Every turn by its number, with how often it was told. Not for several threads at once."""

    def __init__(self) -> None:
        self._turns: dict[int, tuple[int, TurnChange]] = {}  # with the revision
        self._speakers: dict[str, None] = {}
        self._speech_s = 0.0

    @property
    def speakers(self) -> tuple[str, ...]:
        """The labels in order of appearance."""
        return tuple(self._speakers)

    @property
    def speech_s(self) -> float:
        """Seconds of all turns; where two speak at once, both count."""
        return self._speech_s

    def set(self, change: TurnChange) -> int:
        """Take in a change; returns the turn's revision, from 1."""
        revision, before = self._turns.get(change.turn, (0, None))
        if before is not None:
            self._speech_s -= before.end - before.start
        if change.state == TurnState.WITHDRAWN:
            self._turns.pop(change.turn, None)
        else:
            self._turns[change.turn] = revision + 1, change
            self._speech_s += change.end - change.start
            self._speakers.setdefault(change.speaker)
        return revision + 1

    def merge(self, merge: Merge) -> None:
        """Give the turns of one label to another."""
        for number, (revision, turn) in self._turns.items():
            if turn.speaker == merge.source and turn.end > merge.since:
                self._turns[number] = revision, replace(turn, speaker=merge.target)
        if not any(turn.speaker == merge.source for _, turn in self._turns.values()):
            self._speakers.pop(merge.source, None)

    def known(self, identities: Mapping[str, Identity | None]) -> tuple[KnownTurn, ...]:
        """All turns in the order of their starts, with the names of their speakers."""

        def name(speaker: str) -> str | None:
            identity = identities.get(speaker)
            return None if identity is None else identity.name

        rows = [
            KnownTurn(
                turn=turn.turn,
                revision=revision,
                state=turn.state,
                start=turn.start,
                end=turn.end,
                speaker=turn.speaker,
                name=name(turn.speaker),
                going=turn.going,
                confidence=turn.confidence,
            )
            for revision, turn in self._turns.values()
        ]
        return tuple(sorted(rows, key=lambda row: (row.start, row.end, row.turn)))

"""What is known of a session's turns now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from earmark.live._events import Identity, TurnState

__all__ = ["KnownTurn", "LiveView"]


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownTurn:
    """A turn as it is known now: see `TurnUpdate`."""

    turn: int
    revision: int
    state: TurnState
    start: float
    end: float
    speaker: str
    name: str | None
    going: bool
    confidence: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveView:
    """A session as it is known after event ``number``, when ``at`` seconds had been analysed.

    ``turns`` are in the order of their starts, those that may still change included; ``speakers``
    the labels in order of appearance; ``identities`` who they are, as far as that has been asked.
    """

    number: int
    at: float
    turns: tuple[KnownTurn, ...]
    speakers: tuple[str, ...]
    identities: Mapping[str, Identity | None]

    def __iter__(self) -> Iterator[KnownTurn]:
        return iter(self.turns)

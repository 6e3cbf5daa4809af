"""What a tracker finds out as it is given sound; the session makes events of it.

Times are seconds of the session's sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from earmark.live._events import TurnState

__all__ = ["HOP_S", "HOP_SAMPLES", "Change", "CleanSpeech", "Merge", "SpeechEdge", "TurnChange"]

HOP_SAMPLES = 30 * 270
"""Samples at 16 kHz that a tracker is given at once: a whole number of frames."""

HOP_S = HOP_SAMPLES / 16_000


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechEdge:
    """Somebody begins to speak (``active``), or nobody speaks any more, from ``time`` on."""

    time: float
    active: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnChange:
    """A turn as it is known now; see `TurnUpdate`. ``turn`` counts a session's turns from 1."""

    turn: int
    state: TurnState
    start: float
    end: float
    speaker: str
    going: bool = False
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Merge:
    """Two labels were one person: all that was ``source``'s from ``since`` on is ``target``'s.

    The turns concerned need not be told again one by one.
    """

    source: str
    target: str
    since: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanSpeech:
    """``speaker`` alone is heard, clearly: a stretch that a voiceprint can be made of.

    It ends not more than 20 s before what has been heard. Of the same stretch, one that is not
    ``confirmed`` may come first, and is forgotten when a confirmed one reaches into it.
    """

    speaker: str
    start: float
    end: float
    confirmed: bool


Change: TypeAlias = SpeechEdge | TurnChange | Merge | CleanSpeech

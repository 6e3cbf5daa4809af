"""What a live session tells. Times are seconds of its own sound, from 0."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from earmark.traits import TraitReport

__all__ = [
    "CloseReason",
    "Ended",
    "Event",
    "Flushed",
    "Identity",
    "Relabel",
    "RelabelReason",
    "SpeakerIdentified",
    "SpeechEnded",
    "SpeechStarted",
    "Stats",
    "TraitsTold",
    "TurnState",
    "TurnUpdate",
]


class TurnState(StrEnum):
    """How sure a turn is.

    A confirmed turn has been seen with all that follows it; should the voices be told apart
    otherwise later on, it comes once more, with a higher revision. A withdrawn one never was.
    """

    PROVISIONAL = "provisional"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"


class RelabelReason(StrEnum):
    """Why turns change hands."""

    MERGED = "merged"  # two labels were one person
    IDENTIFIED = "identified"  # the person has a name now


class CloseReason(StrEnum):
    """Why a session is over."""

    FINISHED = "finished"  # its sound is over, and all of it was analysed
    IDLE = "idle"  # no sound came for too long
    UNREAD = "unread"  # its events were not read
    TOO_LONG = "too_long"
    SHUTTING_DOWN = "shutting_down"
    CANCELED = "canceled"  # by request
    REVOKED = "revoked"  # its key was
    ABANDONED = "abandoned"  # its client went away and did not come back
    FAILED = "failed"  # the engine met a defect


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """``number`` counts a session's events from 1; ``at`` is how much sound had been analysed."""

    number: int
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechStarted(_Told):
    """Somebody speaks, after nobody did."""

    start: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechEnded(_Told):
    """Nobody speaks any more."""

    end: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnUpdate(_Told):
    """A turn as it is known now; ``revision`` counts what was told of it, from 1.

    ``speaker`` is a label of the session, such as SPEAKER_00, and stays the same person's;
    ``name`` who that is, once identified. ``going`` while it may still go on. ``confidence`` 0..1
    or None.
    """

    turn: int
    revision: int
    state: TurnState
    start: float
    end: float
    speaker: str
    name: str | None = None
    going: bool = False
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """An enrolled person. ``llr`` is a natural logarithm, ``probability`` 0..1; see `Hit`."""

    speaker_id: str
    name: str
    cosine: float
    llr: float
    probability: float
    margin: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeakerIdentified(_Told):
    """Who a label is, from ``net_speech_s`` of clear speech; ``identity`` None: nobody known.

    It comes again when that changes.
    """

    speaker: str
    identity: Identity | None
    net_speech_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Relabel(_Told):
    """All turns of ``source`` from ``since`` on are ``target``'s.

    When two labels were one person, ``target`` is the label that stays; when a person got a name,
    it is the name, and ``source`` still is the label.
    """

    source: str
    target: str
    since: float
    reason: RelabelReason


@dataclass(frozen=True, kw_only=True, slots=True)
class TraitsTold(_Told):
    """What was heard in one period."""

    report: TraitReport


@dataclass(frozen=True, kw_only=True, slots=True)
class Stats(_Told):
    """How the session goes, now and then: ``heard`` seconds came, ``backlog`` of them wait.

    ``speech`` seconds are of somebody's speech, ``speakers`` people were told apart.
    """

    heard: float
    backlog: float
    speech: float
    speakers: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Flushed(_Told):
    """All that had been pushed before a `LiveSession.flush` is in the events before this one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended(_Told):
    """The last event; ``message`` is for people."""

    reason: CloseReason
    message: str


Event: TypeAlias = (
    SpeechStarted
    | SpeechEnded
    | TurnUpdate
    | SpeakerIdentified
    | Relabel
    | TraitsTold
    | Stats
    | Flushed
    | Ended
)

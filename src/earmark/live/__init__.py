"""Who speaks now: push sound as it comes, receive events."""

from __future__ import annotations

from earmark.live._config import LiveConfig, Recognizer
from earmark.live._events import (
    CloseReason,
    Ended,
    Event,
    Flushed,
    Identity,
    Relabel,
    RelabelReason,
    SpeakerIdentified,
    SpeechEnded,
    SpeechStarted,
    Stats,
    TraitsTold,
    TurnState,
    TurnUpdate,
)

__all__ = [
    "CloseReason",
    "Ended",
    "Event",
    "Flushed",
    "Identity",
    "LiveConfig",
    "Recognizer",
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

"""Who speaks now: push sound as it comes, receive events.

The module can be called: ``earmark.live(source)`` is an asynchronous iterator of events.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

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
from earmark.live._view import KnownTurn, LiveView

if TYPE_CHECKING:
    from earmark.live._engine import LiveEngine
    from earmark.live._follow import follow
    from earmark.live._session import LiveSession

__all__ = [
    "CloseReason",
    "Ended",
    "Event",
    "Flushed",
    "Identity",
    "KnownTurn",
    "LiveConfig",
    "LiveEngine",
    "LiveSession",
    "LiveView",
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
    "follow",
]

_HOMES = {"LiveEngine": "_engine", "LiveSession": "_session", "follow": "_follow"}


def __getattr__(name: str) -> object:
    # The engine needs ONNX Runtime, which the values that it tells do not.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


class _Callable(ModuleType):
    """A module that is called as `follow` is: its name is the function's in ``earmark``."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.follow(*args, **options)


sys.modules[__name__].__class__ = _Callable

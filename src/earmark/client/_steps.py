"""What a plan asks its runner to do.

The client's logic is written once, as plans: generators that yield steps and are sent what came of
them, or have the `httpx.TransportError` thrown in. `SyncRunner` and `AsyncRunner` do the waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = ["Do", "HangUp", "Listen", "NextLine", "Plan", "Send", "Sleep", "Step"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Send:
    """Send a request; what comes of it is an `httpx.Response` that has been read.

    ``body`` holds what `httpx.Client.request` takes: json, content, or data and files.
    """

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listen:
    """Open a stream of events; what comes of it is an `httpx.Response`, unread when it is a 200.

    ``timeout_s`` is how long nothing may come.
    """

    path: str
    timeout_s: float
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class NextLine:
    """The next line of the open stream; None at its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HangUp:
    """Close the open stream."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Do:
    """Do something that may take a while, such as reading from a file."""

    work: Callable[[], object]


Step = Send | Listen | NextLine | HangUp | Sleep | Do
Plan = Generator[Step, Any, T]

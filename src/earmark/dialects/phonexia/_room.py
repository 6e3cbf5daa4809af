"""The memory that voiceprints of requests may take up, as they go to no disk unsealed."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Final, Self

from earmark.errors import Unavailable

__all__ = ["MAX_HELD_BYTES", "Room", "Share"]

MAX_HELD_BYTES: Final = 512 << 20
"""Of all requests that are read at once."""


class Room:
    """The memory that all requests of one kind may take up together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    def share(self) -> Share:
        """What one request takes of it, as a context manager."""
        return Share(self)

    def take(self, size: int) -> None:
        """Take so many bytes more. Raises `Unavailable` when there is no room for them now."""
        with self._lock:
            if self._taken + size > MAX_HELD_BYTES:
                raise Unavailable(
                    "The server is busy with other large requests about voiceprints: send it again"
                    " in a moment."
                )
            self._taken += size

    def give(self, size: int) -> None:
        """Give so many bytes back."""
        with self._lock:
            self._taken -= size


class Share:
    """What one request has taken; given back at its end."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._taken = 0

    def take(self, size: int) -> None:
        """As `Room.take`."""
        self._room.take(size)
        self._taken += size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._room.give(self._taken)

"""Turns of those who wait for one thing: tenants in rotation, and within one who came first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from earmark.errors import Unavailable

__all__ = ["Turns"]


class Turns:
    """Lends one thing to one thread at a time. Safe for threads.

    ``places`` is how many may wait, who has it included, and ``places_of_one`` how many of them
    are of one tenant, so that nobody's requests keep out everybody else's.
    """

    def __init__(self, *, places: int, places_of_one: int) -> None:
        self._places, self._places_of_one = places, places_of_one
        self._waiting: dict[str, deque[object]] = {}  # by tenant; whose turn is next stands first
        self._having: str | None = None
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        """How many places are taken."""
        with self._changed:
            return self._taken()

    @contextmanager
    def turn(self, tenant_id: str) -> Iterator[None]:
        """Wait for a turn, which lasts as long as the context.

        Raises `Unavailable` when there is no place, and when everything is closed meanwhile.
        """
        self._wait(tenant_id)
        try:
            yield
        finally:
            with self._changed:
                self._having = None
                self._changed.notify_all()

    def close(self) -> None:
        """Nobody gets a turn any more; who has one keeps it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _wait(self, tenant_id: str) -> None:
        place = object()
        with self._changed:
            self._require_place(tenant_id)
            queue = self._waiting.setdefault(tenant_id, deque())
            queue.append(place)
            try:
                self._changed.wait_for(lambda: self._closed or self._is_next(tenant_id, place))
                if self._closed:
                    raise Unavailable("The server is shutting down: try again in a moment.")
                self._having = tenant_id
            finally:
                queue.remove(place)
                del self._waiting[tenant_id]
                if queue:
                    self._waiting[tenant_id] = queue  # behind all others
                self._changed.notify_all()

    def _is_next(self, tenant_id: str, place: object) -> bool:
        first = next(iter(self._waiting))
        return self._having is None and first == tenant_id and self._waiting[first][0] is place

    def _require_place(self, tenant_id: str) -> None:
        own = len(self._waiting.get(tenant_id, ())) + (self._having == tenant_id)
        if own >= self._places_of_one:
            raise Unavailable(
                f"{own} requests of yours wait for an answer: send this one again when one of them"
                " has it."
            )
        taken = self._taken()
        if taken >= self._places:
            raise Unavailable(f"{taken} requests wait for an answer: try again in a moment.")

    def _taken(self) -> int:
        return sum(map(len, self._waiting.values())) + (self._having is not None)

"""Lists that are handed out a part at a time, with a cursor to the next."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Protocol, TypeVar

from earmark.errors import InvalidOption
from earmark.service._model import Page

__all__ = ["page_of", "read_cursor"]


class Dated(Protocol):
    """What is listed by the time at which it was made."""

    @property
    def id(self) -> str:
        """Tells those apart that were made at the same time."""

    @property
    def created_at(self) -> float:
        """Seconds since 1970."""


T = TypeVar("T", bound=Dated)


def page_of(found: Sequence[T], limit: int, total: int) -> Page[T]:
    """A part of a list, newest first, of which one more than ``limit`` was asked for."""
    items = tuple(found[:limit])
    cursor = None
    if len(found) > limit:
        place = f"{items[-1].created_at!r} {items[-1].id}"
        cursor = base64.urlsafe_b64encode(place.encode()).decode()
    return Page(items=items, cursor=cursor, total=total)


def read_cursor(cursor: str | None) -> tuple[float, str] | None:
    """The place (created_at, id) that a cursor names. Raises `InvalidOption` when it is none."""
    if cursor is None:
        return None
    try:
        place = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
        created_at, _, last_id = place.partition(" ")
        return float(created_at), last_id
    except ValueError as error:
        raise InvalidOption(f"{cursor!r} is no cursor: take it from the page before.") from error

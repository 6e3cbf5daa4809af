"""Ogg pages, as far as they tell what is missing (RFC 3533)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from earmark.audio._reader import Reader

__all__ = ["last_page_end", "pages_lost"]

_HEADER: Final = 27
_CAPTURE: Final = b"OggS\x00"


def last_page_end(reader: Reader) -> int | None:
    """Where the last page should end, in bytes.

    A missing end-of-stream flag says nothing, live recordings rarely have it; a page that breaks
    off says all.
    """
    tail = reader.tail()
    at = tail.rfind(_CAPTURE)
    if at < 0:
        return None
    page = tail[at:]
    begin = reader.length() - len(page)
    if len(page) < _HEADER:
        return begin + _HEADER
    table = page[_HEADER : _HEADER + page[26]]
    return begin + _HEADER + page[26] + sum(table)


def pages_lost(reader: Reader, places: Sequence[int]) -> bool:
    """Whether pages of one track are missing between those at ``places`` (bytes, in order).

    Pages are numbered, so a pause in the clock and a loss can be told apart; where the source
    cannot be read again, it counts as a loss.
    """
    numbers = [_number(reader.at(place, _HEADER)) for place in places]
    return any(b is None or a is None or b != a + 1 for a, b in pairwise(numbers))


def _number(page: bytes) -> int | None:
    if len(page) < _HEADER or not page.startswith(_CAPTURE):
        return None
    return int.from_bytes(page[18:22], "little")

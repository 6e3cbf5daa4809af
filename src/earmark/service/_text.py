"""Names and texts that people give, what is taken and what is refused; times in documents."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from earmark.errors import InvalidOption

__all__ = ["checked_details", "checked_name", "checked_text", "iso"]

_LONGEST_NAME = 256
_LARGEST_DETAILS = 16_384
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of characters, line breaks
_LAID_OUT = "\t\n\r"  # which texts may have


def checked_name(name: str, what: str) -> str:
    """A name of ``what``: 1 to 256 printable characters. Raises `InvalidOption`."""
    if not 1 <= len(name) <= _LONGEST_NAME or not name.strip():
        raise InvalidOption(
            f"{what} has 1 to {_LONGEST_NAME} characters that can be seen, and this one has"
            f" {len(name.strip())}."
        )
    return _printable(name, what)


def checked_text(text: str, what: str, *, longest: int, shortest: int = 1) -> str:
    """A text of so many characters, lines and tabs allowed. Raises `InvalidOption`."""
    if not shortest <= len(text) <= longest or len(text.strip()) < shortest:
        raise InvalidOption(
            f"{what} has {shortest} to {longest} characters, and this one {len(text)}."
        )
    return _printable(text, what, allowed=_LAID_OUT)


def checked_details(details: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is kept beside something, JSON of 16 KiB at most. Raises `InvalidOption`."""
    if not details:
        return {}
    try:
        size = len(json.dumps(details, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError) as error:
        raise InvalidOption(f"The details cannot be written as JSON: {error}.") from error
    if size > _LARGEST_DETAILS:
        raise InvalidOption(
            f"The details come to {size} bytes of JSON, and {_LARGEST_DETAILS} are kept at most."
        )
    return dict(details)


def iso(at: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC, to the millisecond: ``2026-01-31T09:30:00.000Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _printable(text: str, what: str, *, allowed: str = "") -> str:
    for place, character in enumerate(text, 1):
        if unicodedata.category(character) in _UNPRINTABLE and character not in allowed:
            raise InvalidOption(
                f"{what} holds a control character (U+{ord(character):04X} at place {place}): leave"
                " it out."
            )
    return text

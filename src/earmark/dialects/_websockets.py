"""What dialects close a WebSocket with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from earmark.errors import Draining, EarmarkError, Kind

__all__ = ["DONE", "FAILED", "REFUSED", "RESTARTING", "UNSUPPORTED", "close_code"]

DONE: Final = 1000
UNSUPPORTED: Final = 1003
REFUSED: Final = 1008
FAILED: Final = 1011
RESTARTING: Final = 1012
_TOO_LARGE: Final = 1009
_LATER: Final = 1013

_CODES: Final[Mapping[Kind, int]] = {
    Kind.INVALID: REFUSED,
    Kind.UNAUTHENTICATED: REFUSED,
    Kind.NOT_FOUND: REFUSED,
    Kind.FORBIDDEN: REFUSED,
    Kind.CONFLICT: REFUSED,
    Kind.GONE: REFUSED,
    Kind.TOO_LARGE: _TOO_LARGE,
    Kind.RATE_LIMITED: _LATER,
    Kind.EXHAUSTED: _LATER,
    Kind.UNAVAILABLE: _LATER,
    Kind.INTERNAL: FAILED,
}


def close_code(error: EarmarkError) -> int:
    """The code that tells of an error (RFC 6455 and its registry)."""
    return RESTARTING if isinstance(error, Draining) else _CODES[error.kind]

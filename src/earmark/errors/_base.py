"""Errors that every room may raise."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

__all__ = [
    "Canceled",
    "DiskFull",
    "EarmarkError",
    "InvalidInput",
    "InvalidOption",
    "Kind",
    "MissingExtra",
    "NotFound",
    "Unavailable",
]


class Kind(StrEnum):
    """What sort of failure an error is; each dialect maps it to its own status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    NOT_FOUND = "not-found"
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    GONE = "gone"
    TOO_LARGE = "too-large"
    RATE_LIMITED = "rate-limited"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class EarmarkError(Exception):
    """Base of every error that Earmark raises on purpose."""

    kind: ClassVar[Kind] = Kind.INTERNAL
    code: ClassVar[str] = "internal"


class InvalidInput(EarmarkError):
    """What the caller gave cannot be used."""

    kind = Kind.INVALID
    code = "input.invalid"


class InvalidOption(InvalidInput):
    """An option has a value outside its range, or two options contradict each other."""

    code = "input.option"


class DiskFull(EarmarkError):
    """There is no room on the disk for what has to be written."""

    kind = Kind.EXHAUSTED
    code = "disk.full"


class NotFound(EarmarkError):
    """There is no such thing, or it belongs to another tenant: the two are never told apart."""

    kind = Kind.NOT_FOUND
    code = "resource.not_found"


class Unavailable(EarmarkError):
    """Something that is needed does not answer now; the same request may succeed later."""

    kind = Kind.UNAVAILABLE
    code = "service.unavailable"


class Canceled(EarmarkError):
    """The caller asked to stop."""

    kind = Kind.CONFLICT
    code = "canceled"


class MissingExtra(EarmarkError):
    """A feature needs an optional package that is not installed."""

    kind = Kind.UNAVAILABLE
    code = "extra.missing"

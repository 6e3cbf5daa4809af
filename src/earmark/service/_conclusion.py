"""What a job's analysis comes to: the result document, or that there is more to wait for."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Concluded", "NotYet"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Concluded:
    """The result document (JSON); ``sealed`` says that it must be encrypted with the job's key."""

    document: bytes = field(repr=False)
    sealed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class NotYet:
    """A job that listens to a call needs more sound than has come.

    It is looked at again when the call has more than ``heard`` pieces of sound or has ended, at
    the latest at ``until_s`` (seconds since 1970).
    """

    heard: int
    until_s: float

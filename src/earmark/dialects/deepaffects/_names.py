"""What the dialect is called in rows, where it is mounted, and what it calls a stranger."""

from __future__ import annotations

from typing import Final

__all__ = ["NAME", "PREFIX", "SPEAKERS", "STRANGER"]

NAME: Final = "deepaffects"
PREFIX: Final = "/audio/generic/api"

SPEAKERS: Final = "speakers"
"""Key of the one gallery that a tenant has here: a ``speakerId`` is unique in it."""

STRANGER: Final = "UserNotIdentified"
"""The speaker of a segment whose voice is none of those that were asked for."""

"""What this dialect is called."""

from __future__ import annotations

__all__ = ["NAME", "SIGNING_NAME"]

NAME = "chime"

SIGNING_NAME = "chime"
"""The service in the scope of signatures."""

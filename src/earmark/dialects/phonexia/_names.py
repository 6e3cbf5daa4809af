"""What the dialect is called in rows, and where it is mounted."""

from __future__ import annotations

from typing import Final

__all__ = ["NAME", "PREFIX"]

NAME: Final = "phonexia"
PREFIX: Final = "/api/technology"

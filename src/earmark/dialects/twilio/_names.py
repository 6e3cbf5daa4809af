"""What the dialect is called, and where it is."""

from __future__ import annotations

__all__ = ["NAME", "PREFIX"]

NAME = "twilio"
PREFIX = "/twilio"

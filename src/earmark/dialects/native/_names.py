"""What this dialect is called."""

from __future__ import annotations

__all__ = ["NAME", "PREFIX"]

NAME = "native"
"""In rows of jobs, media and webhooks."""

PREFIX = "/api/v1"

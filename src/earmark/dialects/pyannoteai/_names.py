"""What this dialect is called."""

from __future__ import annotations

__all__ = ["NAME"]

NAME = "pyannoteai"
"""In rows of jobs, media and webhooks."""

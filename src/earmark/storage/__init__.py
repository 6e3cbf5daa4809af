"""What outlives a process: the database and the blobs."""

from __future__ import annotations

from earmark.storage._database import Database

__all__ = ["Database"]

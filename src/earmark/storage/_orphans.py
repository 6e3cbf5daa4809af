"""Blobs that no row refers to: what was left by processes that ended between the two."""

from __future__ import annotations

from itertools import islice

import sqlalchemy as sa

from earmark.storage._blobs import Blobs
from earmark.storage._database import Database
from earmark.storage._schema import jobs, media, upload_parts

__all__ = ["sweep_orphans"]

_AGE_S = 3600.0  # younger ones may be about to get their row
_AT_ONCE = 500
_REFERENCES = {"media": media.c.blob, "uploads": upload_parts.c.blob, "results": jobs.c.result_blob}


def sweep_orphans(database: Database, blobs: Blobs, now: float) -> int:
    """Delete blobs, and what killed writers left, older than an hour at ``now``; how many."""
    swept = blobs.sweep_partial(_AGE_S)
    for folder, column in _REFERENCES.items():
        old = (blob.path for blob in blobs.list(folder) if blob.modified <= now - _AGE_S)
        while batch := list(islice(old, _AT_ONCE)):
            with database.read() as connection:
                known = set(connection.scalars(sa.select(column).where(column.in_(batch))))
            orphans = [path for path in batch if path not in known]
            blobs.delete(*orphans)
            swept += len(orphans)
    return swept

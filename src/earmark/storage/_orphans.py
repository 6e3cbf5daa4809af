"""Blobs that no row refers to: what was left by processes that ended between the two."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

import sqlalchemy as sa

from earmark.storage._blobs import Blobs
from earmark.storage._database import Database
from earmark.storage._schema import call_sound, jobs, media, samples, upload_parts

__all__ = ["sweep_orphans"]

_AGE_S = 3600.0  # younger ones may be about to get their row
_AT_ONCE = 500
_UNFINISHED = ("queued", "running")


def sweep_orphans(database: Database, blobs: Blobs, now: float) -> int:
    """Delete blobs, and what killed writers left, older than an hour at ``now``; how many."""
    swept = blobs.sweep_partial(_AGE_S)
    for folder, references in _REFERENCES.items():
        old = (blob.path for blob in blobs.list(folder) if blob.modified <= now - _AGE_S)
        while batch := list(islice(old, _AT_ONCE)):
            with database.read() as connection:
                known = references(connection, batch)
            orphans = [path for path in batch if path not in known]
            blobs.delete(*orphans)
            swept += len(orphans)
    return swept


def _recordings(connection: sa.Connection, paths: Collection[str]) -> set[str]:
    return set(connection.scalars(sa.select(media.c.blob).where(media.c.blob.in_(paths))))


def _parts(connection: sa.Connection, paths: Collection[str]) -> set[str]:
    found = sa.select(upload_parts.c.blob).where(upload_parts.c.blob.in_(paths))
    return set(connection.scalars(found))


def _results(connection: sa.Connection, paths: Collection[str]) -> set[str]:
    """Those of jobs that ended with them, and all of jobs that are not over.

    Who takes over such a job does not make again what was made before, however long ago.
    """
    # The job's id, a hyphen and a number make the name of a result.
    job_ids = {path: path.rpartition("/")[2].rpartition("-")[0] for path in paths}
    unfinished = jobs.c.id.in_(set(job_ids.values())) & jobs.c.state.in_(_UNFINISHED)
    found = connection.execute(
        sa.select(jobs.c.id, jobs.c.result_blob).where(jobs.c.result_blob.in_(paths) | unfinished)
    ).all()
    blobs, going = {row.result_blob for row in found}, {row.id for row in found}
    return {path for path, job_id in job_ids.items() if path in blobs or job_id in going}


def _requests(connection: sa.Connection, paths: Collection[str]) -> set[str]:
    found = sa.select(jobs.c.sealed_blob).where(jobs.c.sealed_blob.in_(paths))
    return {path for path in connection.scalars(found) if path is not None}


def _sound(connection: sa.Connection, paths: Collection[str]) -> set[str]:
    return set(connection.scalars(sa.select(call_sound.c.blob).where(call_sound.c.blob.in_(paths))))


def _samples(connection: sa.Connection, paths: Collection[str]) -> set[str]:
    found = sa.select(samples.c.blob).where(samples.c.blob.in_(paths))
    return {path for path in connection.scalars(found) if path is not None}


_REFERENCES = {
    "calls": _sound,
    "media": _recordings,
    "uploads": _parts,
    "results": _results,
    "requests": _requests,
    "samples": _samples,
}

"""Rows of voices heard in recordings: sealed voiceprints, and whom they were taken for.

A stored recording is here one that was diarized, with a result that is still kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._schema import job_matches, job_voiceprints, jobs

__all__ = ["count_recordings", "matches", "replace", "replace_matches", "stored"]

Row = sa.RowMapping

_KINDS = ("diarize", "identify")


def replace(connection: sa.Connection, job_id: str, values: Sequence[Mapping[str, Any]]) -> None:
    """Keep these voices of a job's recording, and no others; none: forget them."""
    connection.execute(job_voiceprints.delete().filter_by(job_id=job_id))
    if values:
        connection.execute(job_voiceprints.insert(), values)


def replace_matches(
    connection: sa.Connection, job_id: str, values: Sequence[Mapping[str, Any]]
) -> None:
    """Note whom the voices of a job's recording were taken for, and nothing else."""
    connection.execute(job_matches.delete().filter_by(job_id=job_id))
    if values:
        connection.execute(job_matches.insert(), values)


def stored(
    connection: sa.Connection, tenant_id: str, model: str, *, now: float, before: int, limit: int
) -> Sequence[Row]:
    """Voices of the tenant's stored recordings, with the ``seq`` of the job, newest first.

    From the job before number ``before`` on, about ``limit`` rows: all of a job's come together.
    """
    query = (
        sa.select(jobs.c.seq, job_voiceprints)
        .join(jobs, job_voiceprints.c.job_id == jobs.c.id)
        .where(
            *_stored(tenant_id),
            jobs.c.seq < before,
            job_voiceprints.c.model == model,
            sa.or_(job_voiceprints.c.expires_at.is_(None), job_voiceprints.c.expires_at > now),
        )
        .order_by(jobs.c.seq.desc(), job_voiceprints.c.speaker)
    )
    found = list(connection.execute(query.limit(limit)).mappings())
    if len(found) == limit:  # the rest of the last job's
        last = found[-1]
        rest = query.where(jobs.c.seq == last["seq"], job_voiceprints.c.speaker > last["speaker"])
        found.extend(connection.execute(rest).mappings())
    return found


def matches(
    connection: sa.Connection, tenant_id: str, speaker_ids: Collection[str]
) -> Sequence[Row]:
    """Voices of the tenant's stored recordings that identifications took for these speakers."""
    query = (
        sa.select(jobs.c.seq, job_matches)
        .join(jobs, job_matches.c.job_id == jobs.c.id)
        .where(*_stored(tenant_id), job_matches.c.speaker_id.in_(speaker_ids))
    )
    return connection.execute(query).mappings().all()


def count_recordings(connection: sa.Connection, tenant_id: str) -> tuple[int, int]:
    """How many recordings of the tenant are stored, and of how many the voices were kept."""
    kept = sa.case((jobs.c.options["searchable"].as_boolean(), 1), else_=0)
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(kept), 0)).where(
        *_stored(tenant_id)
    )
    total, searchable = connection.execute(query).one()
    return int(total), int(searchable)


def _stored(tenant_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        jobs.c.tenant_id == tenant_id,
        jobs.c.kind.in_(_KINDS),
        jobs.c.state == "succeeded",
        jobs.c.result_blob.is_not(None),
    )

"""Rows of voices heard in recordings: sealed voiceprints, and whom they were taken for.

A stored recording is here one that was diarized, with a result that is still kept.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._schema import job_matches, job_voiceprints, jobs, speakers

__all__ = [
    "count_recordings",
    "due",
    "matches",
    "of_job",
    "replace",
    "replace_matches",
    "stored",
]

Row = sa.RowMapping

_KINDS = ("diarize", "identify")
_LAST = 1 << 62  # above every job's number


def replace(connection: sa.Connection, job_id: str, values: Sequence[Mapping[str, Any]]) -> None:
    """Keep these voices of a job's recording, and no others, while there is such a job."""
    connection.execute(job_voiceprints.delete().filter_by(job_id=job_id))
    if values and _held(connection, jobs, [job_id]):
        connection.execute(job_voiceprints.insert(), values)


def of_job(connection: sa.Connection, job_id: str, *, now: float) -> Row | None:
    """The one voice that a job keeps, unless its time is over."""
    query = sa.select(job_voiceprints).filter_by(job_id=job_id)
    kept = job_voiceprints.c.expires_at.is_(None) | (job_voiceprints.c.expires_at > now)
    return connection.execute(query.where(kept)).mappings().first()


def due(connection: sa.Connection, now: float, limit: int) -> list[str]:
    """The jobs that have kept a voice for as long as it may be kept."""
    query = sa.select(job_voiceprints.c.job_id).where(job_voiceprints.c.expires_at <= now)
    return list(connection.scalars(query.distinct().limit(limit)))


def replace_matches(
    connection: sa.Connection, job_id: str, values: Sequence[Mapping[str, Any]]
) -> None:
    """Note whom the voices of a job's recording were taken for, and nothing else.

    Of people who have been erased since, nothing is noted.
    """
    connection.execute(job_matches.delete().filter_by(job_id=job_id))
    people = _held(connection, speakers, {each["speaker_id"] for each in values})
    values = [each for each in values if each["speaker_id"] in people]
    if values and _held(connection, jobs, [job_id]):
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
    return _whole_jobs(connection, query, job_voiceprints.c.speaker, limit)


def matches(
    connection: sa.Connection,
    tenant_id: str,
    speaker_ids: Collection[str],
    *,
    least_llr: float = -math.inf,
    before: int = _LAST,
    limit: int | None = None,
) -> Sequence[Row]:
    """Voices of the tenant's stored recordings that identifications took for these speakers.

    Those with a log-likelihood ratio of ``least_llr`` or more, otherwise as `stored`.
    """
    query = (
        sa.select(jobs.c.seq, job_matches)
        .join(jobs, job_matches.c.job_id == jobs.c.id)
        .where(
            *_stored(tenant_id),
            jobs.c.seq < before,
            job_matches.c.speaker_id.in_(speaker_ids),
            job_matches.c.llr >= least_llr,
        )
        .order_by(jobs.c.seq.desc(), job_matches.c.speaker)
    )
    return _whole_jobs(connection, query, job_matches.c.speaker, limit)


def count_recordings(connection: sa.Connection, tenant_id: str) -> tuple[int, int]:
    """How many recordings of the tenant are stored, and of how many the voices were kept."""
    kept = sa.case((jobs.c.options["searchable"].as_boolean(), 1), else_=0)
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(kept), 0)).where(
        *_stored(tenant_id)
    )
    total, searchable = connection.execute(query).one()
    return int(total), int(searchable)


def _whole_jobs(
    connection: sa.Connection, query: sa.Select[Any], speaker: sa.Column[str], limit: int | None
) -> Sequence[Row]:
    """The first ``limit`` rows of a query ordered by job and speaker, and the last job's others."""
    found = list(connection.execute(query.limit(limit)).mappings())
    if len(found) == limit:
        last = found[-1]
        rest = query.where(jobs.c.seq == last["seq"], speaker > last["speaker"])
        found.extend(connection.execute(rest).mappings())
    return found


def _held(connection: sa.Connection, table: sa.Table, ids: Collection[str]) -> set[str]:
    """Those that there are, which nobody deletes until the transaction ends."""
    query = sa.select(table.c.id).where(table.c.id.in_(ids)).order_by(table.c.id)
    return set(connection.scalars(query.with_for_update(read=True, key_share=True)))


def _stored(tenant_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        jobs.c.tenant_id == tenant_id,
        jobs.c.kind.in_(_KINDS),
        jobs.c.state == "succeeded",
        jobs.c.result_blob.is_not(None),
    )

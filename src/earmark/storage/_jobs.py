"""Rows of jobs: the queue of record."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._schema import jobs, tenants

__all__ = [
    "LONGEST_WAIT_S",
    "Row",
    "claim",
    "columns",
    "count",
    "delete",
    "expired",
    "fetch",
    "fetch_many",
    "insert",
    "known_result",
    "listing",
    "totals",
    "update",
]

LONGEST_WAIT_S = 900.0
"""The longest that a job is put off by."""

Row = sa.RowMapping

columns = jobs.c
"""The columns, for values that are computed from the row."""


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    connection.execute(jobs.insert().values(values))


def fetch(connection: sa.Connection, job_id: str, **same: object) -> Row | None:
    """The job with this id, if its columns ``same`` have these values."""
    query = sa.select(jobs).where(jobs.c.id == job_id, *_equal(same))
    return connection.execute(query).mappings().one_or_none()


def fetch_many(connection: sa.Connection, job_ids: Collection[str]) -> Sequence[Row]:
    query = sa.select(jobs).where(jobs.c.id.in_(job_ids))
    return connection.execute(query).mappings().all()


def update(
    connection: sa.Connection, job_id: str, values: Mapping[str, Any], **same: object
) -> bool:
    """Change a job, if its columns ``same`` still have these values; whether they had."""
    changed = connection.execute(
        jobs.update().where(jobs.c.id == job_id, *_equal(same)).values(values)
    )
    return changed.rowcount == 1


def delete(connection: sa.Connection, job_ids: Collection[str]) -> None:
    connection.execute(jobs.delete().where(jobs.c.id.in_(job_ids)))


def listing(
    connection: sa.Connection,
    *,
    tenant_id: str,
    states: Collection[str] | None,
    kinds: Collection[str] | None,
    dialect: str | None,
    before: int | None,
    limit: int,
    offset: int,
) -> Sequence[Row]:
    """A tenant's jobs, newest first, from the one before sequence number ``before`` on."""
    query = sa.select(jobs).where(*_chosen(tenant_id, states, kinds, dialect))
    if before is not None:
        query = query.where(jobs.c.seq < before)
    query = query.order_by(jobs.c.seq.desc()).limit(limit).offset(offset)
    return connection.execute(query).mappings().all()


def count(
    connection: sa.Connection,
    *,
    tenant_id: str,
    states: Collection[str] | None,
    kinds: Collection[str] | None,
    dialect: str | None,
) -> int:
    query = (
        sa.select(sa.func.count())
        .select_from(jobs)
        .where(*_chosen(tenant_id, states, kinds, dialect))
    )
    return connection.scalar(query) or 0


def totals(connection: sa.Connection) -> dict[tuple[str, str], int]:
    """(kind, state) -> how many jobs, of all tenants."""
    query = sa.select(jobs.c.kind, jobs.c.state, sa.func.count()).group_by(
        jobs.c.kind, jobs.c.state
    )
    return {(kind, state): count for kind, state, count in connection.execute(query)}


def claim(
    connection: sa.Connection,
    executor_id: str,
    *,
    fetched: bool | None,
    busy_tenants: Collection[str],
    now: float,
) -> Row | None:
    """Begin the job whose turn it is, if there is one.

    Of those that are ``fetched``, or are not, or of all (None); and of no tenant in
    ``busy_tenants``. Tenants take turns: first the one with the fewest jobs running, then the one
    served longest ago. Within a tenant the priority decides, then the order of submission. Nobody
    waits for a time that is only as far away because the clock was set back.
    """
    due_now = (jobs.c.not_before <= now) | (jobs.c.not_before > now + LONGEST_WAIT_S)
    waiting = (jobs.c.state == "queued") & due_now
    if fetched is not None:
        waiting &= jobs.c.fetched == fetched
    running = (
        sa.select(sa.func.count())
        .where(jobs.c.tenant_id == tenants.c.id, jobs.c.state == "running")
        .correlate(tenants)
        .scalar_subquery()
    )
    due = sa.exists().where(jobs.c.tenant_id == tenants.c.id, waiting).correlate(tenants)
    served_at = sa.case((tenants.c.served_at > now, 0.0), else_=tenants.c.served_at)
    tenant_id = connection.scalar(
        sa.select(tenants.c.id)
        .where(due, tenants.c.id.not_in(busy_tenants))
        .order_by(running, served_at, tenants.c.id)
        .limit(1)
    )
    if tenant_id is None:
        return None
    # By itself, so that an index gives both orders: ten thousand jobs are not sorted each time.
    first = (
        sa.select(jobs.c.priority)
        .where(jobs.c.tenant_id == tenant_id, waiting)
        .order_by(jobs.c.priority.desc())
        .limit(1)
        .scalar_subquery()
    )
    job_id = connection.scalar(
        sa.select(jobs.c.id)
        .where(jobs.c.tenant_id == tenant_id, waiting, jobs.c.priority == first)
        .order_by(jobs.c.seq)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if job_id is None:
        return None
    begun = update(
        connection,
        job_id,
        {
            "state": "running",
            "stage": "fetching",
            "executor_id": executor_id,
            "attempts": jobs.c.attempts + 1,
            "started_at": sa.func.coalesce(jobs.c.started_at, now),
            "updated_at": now,
        },
        state="queued",
    )
    if not begun:
        return None
    connection.execute(tenants.update().where(tenants.c.id == tenant_id).values(served_at=now))
    return fetch(connection, job_id)


def known_result(connection: sa.Connection, tenant_id: str, cache_key: str) -> Row | None:
    """A job of the tenant that has answered the same question."""
    query = (
        sa.select(jobs)
        .where(
            jobs.c.tenant_id == tenant_id,
            jobs.c.cache_key == cache_key,
            jobs.c.state == "succeeded",
            jobs.c.result_blob.is_not(None),
        )
        .order_by(jobs.c.seq.desc())
        .limit(1)
    )
    return connection.execute(query).mappings().one_or_none()


def expired(connection: sa.Connection, now: float, tombstone_s: float, limit: int) -> Sequence[Row]:
    """Jobs that have been over for longer than they are kept; notes of them, ``tombstone_s``."""
    kept = sa.case(
        (jobs.c.state == "expired", tombstone_s + sa.func.coalesce(tenants.c.retention_s, 0.0)),
        else_=sa.func.coalesce(jobs.c.retention_s, tenants.c.retention_s),
    )
    query = (
        sa.select(jobs)
        .join(tenants, tenants.c.id == jobs.c.tenant_id)
        .where(jobs.c.finished_at + kept <= now)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def _equal(same: Mapping[str, object]) -> list[sa.ColumnElement[bool]]:
    return [jobs.c[name] == value for name, value in same.items()]


def _chosen(
    tenant_id: str,
    states: Collection[str] | None,
    kinds: Collection[str] | None,
    dialect: str | None,
) -> list[sa.ColumnElement[bool]]:
    chosen = [jobs.c.tenant_id == tenant_id]
    if states is not None:
        chosen.append(jobs.c.state.in_(states))
    if kinds is not None:
        chosen.append(jobs.c.kind.in_(kinds))
    if dialect is not None:
        chosen.append(jobs.c.dialect == dialect)
    return chosen

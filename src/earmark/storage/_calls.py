"""Rows of calls, and of the sound that has come of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._insert import insert_new
from earmark.storage._schema import call_sound, calls, jobs

__all__ = [
    "add_sound",
    "blobs",
    "count_open",
    "delete",
    "due",
    "end_idle",
    "fetch",
    "heard_more",
    "insert",
    "jobs_listening",
    "jobs_waiting",
    "pieces",
    "update",
]

Row = sa.RowMapping

_UNFINISHED = ("queued", "running")


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> bool:
    """Add a call unless the tenant has one of this connector and transaction; whether it did."""
    nothing = dict.fromkeys(("caller_s", "callee_s", "size", "pieces"), 0)
    return insert_new(connection, calls, {**nothing, **values})


def count_open(connection: sa.Connection, tenant_id: str, heard_after: float) -> int:
    """How many calls of a tenant have not ended and were heard of since that time."""
    going = calls.c.ended_at.is_(None) & (calls.c.heard_at > heard_after)
    query = sa.select(sa.func.count()).where(calls.c.tenant_id == tenant_id, going)
    return connection.scalar(query) or 0


def fetch(connection: sa.Connection, *, lock: bool = False, **same: object) -> Row | None:
    """The call whose columns ``same`` have these values.

    With ``lock`` nobody else adds sound to it, or ends it, until the transaction ends.
    """
    query = sa.select(calls).filter_by(**same)
    if lock:
        query = query.with_for_update()
    return connection.execute(query).mappings().one_or_none()


def update(connection: sa.Connection, call_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(calls.update().filter_by(id=call_id).values(values))


def add_sound(
    connection: sa.Connection,
    call_id: str,
    values: Mapping[str, Any],
    totals: Mapping[str, Any],
) -> None:
    """Add a piece of sound to a call that is locked; ``totals`` are then those of the call."""
    number = totals["pieces"]
    connection.execute(call_sound.insert().values(call_id=call_id, number=number, **values))
    update(connection, call_id, totals)


def pieces(connection: sa.Connection, call_id: str, legs: Collection[str]) -> Sequence[Row]:
    """The sound of these legs, in the order in which it came."""
    query = sa.select(call_sound).where(call_sound.c.call_id == call_id, call_sound.c.leg.in_(legs))
    return connection.execute(query.order_by(call_sound.c.number)).mappings().all()


def heard_more(connection: sa.Connection, call_id: str | None, heard: int) -> bool:
    """Whether a call has more than so many pieces of sound, or is over, or gone."""
    query = sa.select(calls.c.ended_at, calls.c.pieces).filter_by(id=call_id)
    call = connection.execute(query).one_or_none()
    return call is None or call.ended_at is not None or call.pieces > heard


def jobs_listening(connection: sa.Connection, call_id: str) -> Sequence[Row]:
    """The jobs that listen to a call and are not over."""
    query = sa.select(jobs).where(jobs.c.call_id == call_id, jobs.c.state.in_(_UNFINISHED))
    return connection.execute(query).mappings().all()


def jobs_waiting(connection: sa.Connection, call_id: str) -> Sequence[Row]:
    """As `jobs_listening`, locked.

    Those at work too: one that is just being put off is waited for.
    """
    query = sa.select(jobs).where(jobs.c.call_id == call_id, jobs.c.state.in_(_UNFINISHED))
    return connection.execute(query.with_for_update()).mappings().all()


def end_idle(connection: sa.Connection, before: float, now: float) -> Sequence[str]:
    """End the calls that were heard of last before that time; their ids."""
    idle = calls.c.ended_at.is_(None) & (calls.c.heard_at <= before)
    ended = connection.execute(
        calls.update().where(idle).values(ended_at=now).returning(calls.c.id)
    )
    return list(ended.scalars())


def due(connection: sa.Connection, before: float, limit: int) -> Sequence[str]:
    """The ids of calls that ended before that time, and that no job has to listen to, locked."""
    needed = sa.exists().where(jobs.c.call_id == calls.c.id, jobs.c.state.in_(_UNFINISHED))
    query = (
        sa.select(calls.c.id)
        .where(calls.c.ended_at <= before, ~needed.correlate(calls))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(connection.scalars(query))


def blobs(connection: sa.Connection, call_ids: Collection[str]) -> list[str]:
    """Where the sound of these calls is kept."""
    query = sa.select(call_sound.c.blob).where(call_sound.c.call_id.in_(call_ids))
    return list(connection.scalars(query))


def delete(connection: sa.Connection, call_ids: Collection[str]) -> None:
    """Forget calls with the rows of their sound."""
    connection.execute(calls.delete().where(calls.c.id.in_(call_ids)))

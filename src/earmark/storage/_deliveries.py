"""Rows of deliveries, what webhooks are told, and of the attempts at them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._paging import count_rows, newest_first
from earmark.storage._schema import attempts, deliveries, jobs, tenants, webhooks

__all__ = [
    "attempts_of",
    "count",
    "enqueue",
    "fail_pending",
    "fetch",
    "listing",
    "next_due",
    "record_attempt",
    "sweep",
    "update",
]

Row = sa.RowMapping


def enqueue(
    connection: sa.Connection,
    *,
    tenant_id: str,
    webhook_id: str,
    job_id: str,
    event: str,
    now: float,
    detail: Mapping[str, Any] | None = None,
) -> str | None:
    """Note a delivery that is due at once; its id, or None when the webhook is deleted.

    With ``detail`` it tells of an event, and not of a job's end.
    """
    # Locked against deletion, which would break the reference.
    kept = sa.select(webhooks.c.id).filter_by(id=webhook_id)
    if connection.scalar(kept.with_for_update(read=True, key_share=True)) is None:
        return None
    delivery_id = f"msg_{uuid.uuid4().hex}"
    connection.execute(
        deliveries.insert().values(
            id=delivery_id,
            tenant_id=tenant_id,
            webhook_id=webhook_id,
            job_id=job_id,
            event=event,
            state="pending",
            next_at=now,
            created_at=now,
            detail=sa.null() if detail is None else dict(detail),
        )
    )
    return delivery_id


def fetch(
    connection: sa.Connection, delivery_id: str, *, lock: bool = False, **same: object
) -> Row | None:
    """The delivery with this id, if its columns ``same`` have these values.

    With ``lock`` it stays as it is until the end of the transaction.
    """
    query = sa.select(deliveries).filter_by(id=delivery_id, **same)
    if lock:
        query = query.with_for_update()
    return connection.execute(query).mappings().one_or_none()


def listing(
    connection: sa.Connection,
    *,
    same: Mapping[str, object],
    before: tuple[float, str] | None,
    limit: int,
) -> Sequence[Row]:
    """Deliveries, newest first, from the one before (created_at, id) on."""
    return newest_first(connection, deliveries, same, before, limit)


def count(connection: sa.Connection, same: Mapping[str, object]) -> int:
    return count_rows(connection, deliveries, same)


def update(
    connection: sa.Connection, delivery_id: str, values: Mapping[str, Any], **same: object
) -> None:
    """Change a delivery, if its columns ``same`` still have these values."""
    changed = deliveries.update().filter_by(id=delivery_id, **same)
    connection.execute(changed.values(values))


def fail_pending(connection: sa.Connection, webhook_id: str, now: float) -> None:
    """Give up all that a webhook was still to hear."""
    connection.execute(
        deliveries.update()
        .where(deliveries.c.webhook_id == webhook_id, deliveries.c.state == "pending")
        .values(state="failed", finished_at=now)
    )


def next_due(
    connection: sa.Connection,
    *,
    now: float,
    dialects: Collection[str],
    busy_tenants: Collection[str] = (),
    busy_receivers: Collection[tuple[str, str]] = (),
) -> Row | None:
    """The delivery whose time came first, with what is needed of its webhook and its tenant.

    Left out are those that someone has leased or is just leasing, of tenants that are busy, and
    to receivers that are: a tenant and how the addresses begin. It is locked until the end of the
    transaction.
    """
    sealed = sa.select(jobs.c.result_sealed).where(jobs.c.id == deliveries.c.job_id)
    query = (
        sa.select(
            deliveries,
            webhooks.c.dialect,
            webhooks.c.url,
            webhooks.c.secret,
            webhooks.c.disabled_at,
            tenants.c.webhook_secret,
            sealed.scalar_subquery().label("result_sealed"),
        )
        .join(webhooks, webhooks.c.id == deliveries.c.webhook_id)
        .join(tenants, tenants.c.id == deliveries.c.tenant_id)
        .where(
            deliveries.c.state == "pending",
            deliveries.c.next_at <= now,
            deliveries.c.leased_until <= now,
            webhooks.c.dialect.in_(dialects),
            deliveries.c.tenant_id.not_in(busy_tenants),
            *(
                (deliveries.c.tenant_id != tenant_id)
                | ~webhooks.c.url.startswith(start, autoescape=True)
                for tenant_id, start in busy_receivers
            ),
        )
        .order_by(deliveries.c.next_at, deliveries.c.id)
        .limit(1)
        .with_for_update(of=deliveries, skip_locked=True)
    )
    return connection.execute(query).mappings().one_or_none()


def record_attempt(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    """Note an attempt."""
    connection.execute(attempts.insert().values(values))


def attempts_of(connection: sa.Connection, delivery_id: str) -> Sequence[Row]:
    query = sa.select(attempts).filter_by(delivery_id=delivery_id).order_by(attempts.c.number)
    return connection.execute(query).mappings().all()


def sweep(connection: sa.Connection, before: float) -> None:
    """Forget the deliveries that ended before that time, with their attempts."""
    connection.execute(
        deliveries.delete().where(
            deliveries.c.state.in_(("delivered", "failed")),
            deliveries.c.next_at < before,  # has an index; one given up early may stay a day longer
            deliveries.c.finished_at < before,
        )
    )

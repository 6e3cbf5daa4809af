"""Rows of webhooks, their deliveries and the attempts at them."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import sqlalchemy as sa

from earmark.storage._insert import insert_new
from earmark.storage._schema import deliveries, webhooks

__all__ = ["enqueue", "ensure"]


def ensure(
    connection: sa.Connection,
    *,
    tenant_id: str,
    dialect: str,
    url: str,
    new_secret: Callable[[], str],
    now: float,
) -> str:
    """The id of the tenant's webhook with this address, made when there is none."""
    same = {"tenant_id": tenant_id, "dialect": dialect, "url": url}
    insert_new(
        connection,
        webhooks,
        {"id": str(uuid.uuid4()), "secret": new_secret(), "created_at": now, **same},
    )
    return str(connection.execute(sa.select(webhooks.c.id).filter_by(**same)).scalar_one())


def enqueue(
    connection: sa.Connection,
    *,
    tenant_id: str,
    webhook_id: str,
    job_id: str,
    event: str,
    now: float,
) -> str:
    """Note a delivery that is due at once; its id."""
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
        )
    )
    return delivery_id

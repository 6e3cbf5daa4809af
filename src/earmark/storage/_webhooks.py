"""Rows of webhooks, their deliveries and the attempts at them."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import sqlalchemy as sa

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
    found = connection.scalar(
        sa.select(webhooks.c.id).where(
            webhooks.c.tenant_id == tenant_id,
            webhooks.c.dialect == dialect,
            webhooks.c.url == url,
        )
    )
    if found is not None:
        return str(found)
    webhook_id = str(uuid.uuid4())
    connection.execute(
        webhooks.insert().values(
            id=webhook_id,
            tenant_id=tenant_id,
            dialect=dialect,
            url=url,
            secret=new_secret(),
            created_at=now,
        )
    )
    return webhook_id


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

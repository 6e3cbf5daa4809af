"""Rows of webhooks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._insert import insert_new
from earmark.storage._paging import count_rows, newest_first
from earmark.storage._schema import jobs, webhooks

__all__ = ["count", "delete", "ensure", "fetch", "listing", "update"]

Row = sa.RowMapping


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


def fetch(connection: sa.Connection, webhook_id: str, **same: object) -> Row | None:
    """The webhook with this id, if its columns ``same`` have these values."""
    query = sa.select(webhooks).filter_by(id=webhook_id, **same)
    return connection.execute(query).mappings().one_or_none()


def listing(
    connection: sa.Connection, tenant_id: str, *, before: tuple[float, str] | None, limit: int
) -> Sequence[Row]:
    """A tenant's webhooks, newest first, from the one before (created_at, id) on."""
    return newest_first(connection, webhooks, {"tenant_id": tenant_id}, before, limit)


def count(connection: sa.Connection, tenant_id: str) -> int:
    """How many webhooks a tenant has."""
    return count_rows(connection, webhooks, {"tenant_id": tenant_id})


def update(connection: sa.Connection, webhook_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(webhooks.update().where(webhooks.c.id == webhook_id).values(values))


def delete(connection: sa.Connection, webhook_id: str) -> None:
    """Delete a webhook with its deliveries."""
    # The jobs first, or this and a job that ends just now would wait for each other.
    connection.execute(jobs.update().filter_by(webhook_id=webhook_id).values(webhook_id=None))
    connection.execute(webhooks.delete().where(webhooks.c.id == webhook_id))

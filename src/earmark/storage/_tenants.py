"""Rows of tenants."""

from __future__ import annotations

import sqlalchemy as sa

from earmark.storage._insert import insert_new
from earmark.storage._schema import tenants

__all__ = ["by_name", "fetch", "insert", "update"]


def fetch(connection: sa.Connection, tenant_id: str) -> sa.RowMapping | None:
    return connection.execute(tenants.select().where(tenants.c.id == tenant_id)).mappings().first()


def by_name(connection: sa.Connection, name: str, *, lock: bool = False) -> sa.RowMapping | None:
    """The tenant of this name; ``lock`` keeps the row from others until the transaction ends."""
    query = tenants.select().where(tenants.c.name == name)
    return connection.execute(query.with_for_update() if lock else query).mappings().first()


def insert(
    connection: sa.Connection, *, tenant_id: str, name: str, webhook_secret: str, now: float
) -> None:
    """Add a tenant, unless there is one of this name."""
    insert_new(
        connection,
        tenants,
        {"id": tenant_id, "name": name, "webhook_secret": webhook_secret, "created_at": now},
    )


def update(
    connection: sa.Connection, tenant_id: str, values: dict[str, float | str | None]
) -> None:
    connection.execute(tenants.update().where(tenants.c.id == tenant_id).values(values))

"""Rows of tags: names and values that a tenant gives to its things."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from earmark.storage._insert import insert_or_update
from earmark.storage._schema import resource_tags

__all__ = ["delete", "listing", "put"]


def put(connection: sa.Connection, tenant_id: str, resource: str, tags: Mapping[str, str]) -> None:
    """Set tags; those that are there get the new values."""
    for key, value in sorted(tags.items()):  # in one order, or rivals wait for each other
        row = {"tenant_id": tenant_id, "resource": resource, "key": key, "value": value}
        insert_or_update(connection, resource_tags, row, changed="value")


def listing(connection: sa.Connection, tenant_id: str, resource: str) -> dict[str, str]:
    """All tags, by key."""
    query = sa.select(resource_tags.c.key, resource_tags.c.value).filter_by(
        tenant_id=tenant_id, resource=resource
    )
    found = connection.execute(query.order_by(resource_tags.c.key))
    return {row.key: row.value for row in found}


def delete(
    connection: sa.Connection, tenant_id: str, resource: str, keys: Collection[str] | None
) -> None:
    """Remove these tags, or all (None)."""
    chosen = resource_tags.delete().filter_by(tenant_id=tenant_id, resource=resource)
    if keys is not None:
        chosen = chosen.where(resource_tags.c.key.in_(keys))
    connection.execute(chosen)

"""Rows of voice connectors: where calls come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._paging import count_rows, newest_first
from earmark.storage._schema import calls, voice_connectors

__all__ = ["count", "delete", "fetch", "in_use", "insert", "listing", "update"]

Row = sa.RowMapping


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    connection.execute(voice_connectors.insert().values(values))


def fetch(connection: sa.Connection, connector_id: str, **same: object) -> Row | None:
    """The connector with this id, if its columns ``same`` have these values."""
    query = sa.select(voice_connectors).filter_by(id=connector_id, **same)
    return connection.execute(query).mappings().one_or_none()


def listing(
    connection: sa.Connection,
    same: Mapping[str, object],
    *,
    before: tuple[float, str] | None,
    limit: int,
) -> Sequence[Row]:
    """Connectors, newest first, from the one before (created_at, id) on."""
    return newest_first(connection, voice_connectors, same, before, limit)


def count(connection: sa.Connection, same: Mapping[str, object]) -> int:
    return count_rows(connection, voice_connectors, same)


def update(connection: sa.Connection, connector_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(voice_connectors.update().filter_by(id=connector_id).values(values))


def in_use(connection: sa.Connection, tenant_id: str, connector_id: str) -> bool:
    """Whether a call of the connector is going on."""
    going = sa.select(calls.c.id).filter_by(
        tenant_id=tenant_id, connector=connector_id, ended_at=None
    )
    return connection.scalar(going.limit(1)) is not None


def delete(connection: sa.Connection, connector_id: str) -> None:
    connection.execute(voice_connectors.delete().filter_by(id=connector_id))

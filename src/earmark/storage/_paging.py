"""Lists that are read a part at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

__all__ = ["count_rows", "newest_first"]


def newest_first(
    connection: sa.Connection,
    table: sa.Table,
    same: Mapping[str, object],
    before: tuple[float, str] | None,
    limit: int,
) -> Sequence[sa.RowMapping]:
    """Rows whose columns ``same`` have these values, from the one before (created_at, id) on."""
    query = sa.select(table).filter_by(**same)
    if before is not None:
        query = query.where(sa.tuple_(table.c.created_at, table.c.id) < sa.tuple_(*before))
    query = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
    return connection.execute(query).mappings().all()


def count_rows(connection: sa.Connection, table: sa.Table, same: Mapping[str, object]) -> int:
    """How many rows have these values in their columns ``same``."""
    query = sa.select(sa.func.count()).select_from(table).filter_by(**same)
    return connection.scalar(query) or 0

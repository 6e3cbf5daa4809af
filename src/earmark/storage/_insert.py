"""Inserting rows that may be there already, which SQL leaves to its dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["insert_new", "insert_or_update"]


def insert_new(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless one with an equal key exists; whether it was inserted.

    A rival that has inserted such a row and not yet committed is waited for.
    """
    inserted = _insert(connection, table).values(values).on_conflict_do_nothing()
    # Not the count of rows, which PostgreSQL's driver does not tell of an insert.
    return connection.execute(inserted.returning(*table.primary_key)).first() is not None


def insert_or_update(
    connection: sa.Connection, table: sa.Table, values: Mapping[str, Any], *, changed: str
) -> None:
    """Insert a row; one with an equal primary key gets the new value of the column ``changed``.

    A rival that has inserted such a row and not yet committed is waited for.
    """
    insert = _insert(connection, table).values(values)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=list(table.primary_key), set_={changed: insert.excluded[changed]}
        )
    )


def _insert(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)

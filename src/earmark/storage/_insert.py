"""Inserting a row unless it is there, which SQL leaves to its dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["insert_new"]


def insert_new(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless one with an equal key exists; whether it was inserted.

    A rival that has inserted such a row and not yet committed is waited for.
    """
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    inserted = insert(table).values(values).on_conflict_do_nothing()
    # Not the count of rows, which PostgreSQL's driver does not tell of an insert.
    return connection.execute(inserted.returning(*table.primary_key)).first() is not None

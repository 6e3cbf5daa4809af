"""What is true of an installation as a whole, or of a keyring: short texts by name."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from earmark.storage._insert import insert_new
from earmark.storage._schema import installation

__all__ = ["note", "noted", "settle"]


def settle(
    connection: sa.Connection, name: str, value: str, *, table: sa.Table = installation
) -> str:
    """The value that was settled for this name; the one given, if none was."""
    insert_new(connection, table, {"name": name, "value": value})
    return str(connection.execute(_of(name, table)).scalar_one())


def noted(connection: sa.Connection, name: str, *, table: sa.Table = installation) -> str | None:
    """The value under this name."""
    value: str | None = connection.scalar(_of(name, table))
    return value


def note(
    connection: sa.Connection, name: str, value: str, *, table: sa.Table = installation
) -> None:
    """Put a value under this name, whatever was there."""
    if not insert_new(connection, table, {"name": name, "value": value}):
        connection.execute(table.update().filter_by(name=name).values(value=value))


def _of(name: str, table: sa.Table) -> sa.Select[Any]:
    return sa.select(table.c.value).where(table.c.name == name)

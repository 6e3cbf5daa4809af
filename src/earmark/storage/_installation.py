"""What is true of an installation as a whole."""

from __future__ import annotations

import sqlalchemy as sa

from earmark.storage._insert import insert_new
from earmark.storage._schema import installation

__all__ = ["note", "noted", "settle"]


def settle(connection: sa.Connection, name: str, value: str) -> str:
    """The value that was settled for this name; the one given, if none was."""
    insert_new(connection, installation, {"name": name, "value": value})
    query = sa.select(installation.c.value).where(installation.c.name == name)
    return str(connection.execute(query).scalar_one())


def noted(connection: sa.Connection, name: str) -> str | None:
    """The value under this name."""
    return connection.scalar(sa.select(installation.c.value).where(installation.c.name == name))


def note(connection: sa.Connection, name: str, value: str) -> None:
    """Put a value under this name, whatever was there."""
    if not insert_new(connection, installation, {"name": name, "value": value}):
        connection.execute(installation.update().filter_by(name=name).values(value=value))

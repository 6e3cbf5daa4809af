"""Rows of receipts: proofs of erasure, which are only ever added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._paging import count_rows, newest_first
from earmark.storage._schema import receipts

__all__ = ["count", "fetch", "insert", "listing"]

Row = sa.RowMapping


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    connection.execute(receipts.insert().values(values))


def fetch(connection: sa.Connection, receipt_id: str, **same: object) -> Row | None:
    """The receipt with this id, if its columns ``same`` have these values."""
    query = sa.select(receipts).filter_by(id=receipt_id, **same)
    return connection.execute(query).mappings().one_or_none()


def listing(
    connection: sa.Connection,
    *,
    same: Mapping[str, object],
    before: tuple[float, str] | None,
    limit: int,
) -> Sequence[Row]:
    """Receipts, newest first, from the one before (created_at, id) on."""
    return newest_first(connection, receipts, same, before, limit)


def count(connection: sa.Connection, same: Mapping[str, object]) -> int:
    return count_rows(connection, receipts, same)

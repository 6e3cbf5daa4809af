"""Rows of the audit log: a chain per tenant, which is only ever added to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._insert import insert_new
from earmark.storage._schema import audit, audit_heads

__all__ = ["NO_HASH", "about", "after", "append", "count", "fetch", "head", "listing"]

NO_HASH = "0" * 64
"""What stands for the hash before the first entry."""

Row = sa.RowMapping


def head(connection: sa.Connection, tenant_id: str, *, lock: bool = False) -> Row:
    """Number and hash of the last entry: 0 and `NO_HASH` when there is none.

    With ``lock`` nobody else adds an entry until the transaction ends.
    """
    query = sa.select(audit_heads).filter_by(tenant_id=tenant_id)
    if lock:
        insert_new(connection, audit_heads, {"tenant_id": tenant_id, "seq": 0, "hash": NO_HASH})
        query = query.with_for_update()
    found = connection.execute(query).mappings().one_or_none()
    if found is not None:
        return found
    nothing = sa.select(sa.literal(0).label("seq"), sa.literal(NO_HASH).label("hash"))
    return connection.execute(nothing).mappings().one()


def append(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    """Add the entry that follows the head, which the transaction has locked."""
    connection.execute(audit.insert().values(values))
    connection.execute(
        audit_heads.update()
        .filter_by(tenant_id=values["tenant_id"])
        .values(seq=values["seq"], hash=values["hash"])
    )


def fetch(connection: sa.Connection, tenant_id: str, seq: int) -> Row | None:
    query = sa.select(audit).filter_by(tenant_id=tenant_id, seq=seq)
    return connection.execute(query).mappings().one_or_none()


def after(connection: sa.Connection, tenant_id: str, seq: int, limit: int) -> Sequence[Row]:
    """The entries that follow this one, in their order."""
    query = sa.select(audit).where(audit.c.tenant_id == tenant_id, audit.c.seq > seq)
    return connection.execute(query.order_by(audit.c.seq).limit(limit)).mappings().all()


def about(connection: sa.Connection, tenant_id: str, subject: str) -> Sequence[Row]:
    """The entries whose subject this is, or whose details name it, in their order."""
    named = (audit.c.subject == subject) | audit.c.details.contains(f'"{subject}"', autoescape=True)
    query = sa.select(audit).where(audit.c.tenant_id == tenant_id, named).order_by(audit.c.seq)
    return connection.execute(query).mappings().all()


def listing(
    connection: sa.Connection, *, same: Mapping[str, object], before: int | None, limit: int
) -> Sequence[Row]:
    """Entries whose columns ``same`` have these values, newest first, from before ``seq`` on."""
    query = sa.select(audit).filter_by(**same)
    if before is not None:
        query = query.where(audit.c.seq < before)
    return connection.execute(query.order_by(audit.c.seq.desc()).limit(limit)).mappings().all()


def count(connection: sa.Connection, same: Mapping[str, object]) -> int:
    query = sa.select(sa.func.count()).select_from(audit).filter_by(**same)
    return connection.scalar(query) or 0

"""Rows of the audit log: a chain per tenant, which is only ever added to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._insert import insert_new
from earmark.storage._schema import audit, audit_heads

__all__ = [
    "NO_HASH",
    "about",
    "append",
    "between",
    "count",
    "end",
    "fetch",
    "hashes",
    "head",
    "listing",
]

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


def end(connection: sa.Connection, tenant_id: str) -> Row:
    """Where the log ends, all as of one moment.

    ``seq`` and ``hash`` are those of `head`; ``written`` is the highest number of an entry, or 0.
    """
    heads = audit_heads.select().filter_by(tenant_id=tenant_id)
    written = sa.select(sa.func.max(audit.c.seq)).filter_by(tenant_id=tenant_id)
    query = sa.select(
        sa.func.coalesce(heads.with_only_columns(audit_heads.c.seq).scalar_subquery(), 0).label(
            "seq"
        ),
        sa.func.coalesce(
            heads.with_only_columns(audit_heads.c.hash).scalar_subquery(), NO_HASH
        ).label("hash"),
        sa.func.coalesce(written.scalar_subquery(), 0).label("written"),
    )
    return connection.execute(query).mappings().one()


def between(
    connection: sa.Connection, tenant_id: str, after: int, last: int, limit: int
) -> Sequence[Row]:
    """The entries after the one of this number, up to the last, in their order."""
    query = sa.select(audit).where(
        audit.c.tenant_id == tenant_id, audit.c.seq > after, audit.c.seq <= last
    )
    return connection.execute(query.order_by(audit.c.seq).limit(limit)).mappings().all()


def hashes(connection: sa.Connection, tenant_id: str, seqs: Collection[int]) -> dict[int, str]:
    """The hashes of those of these entries that there are."""
    query = sa.select(audit.c.seq, audit.c.hash)
    query = query.where(audit.c.tenant_id == tenant_id, audit.c.seq.in_(seqs))
    return {row.seq: row.hash for row in connection.execute(query)}


def about(connection: sa.Connection, tenant_id: str, subjects: Collection[str]) -> Sequence[Row]:
    """The entries whose subject is one of these, or whose details name one, in their order."""
    named = [audit.c.details.contains(f'"{each}"', autoescape=True) for each in subjects]
    query = sa.select(audit).where(audit.c.tenant_id == tenant_id)
    query = query.where(audit.c.subject.in_(subjects) | sa.or_(sa.false(), *named))
    return connection.execute(query.order_by(audit.c.seq)).mappings().all()


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

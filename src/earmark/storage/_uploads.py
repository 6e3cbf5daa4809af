"""Rows of uploads in parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._schema import upload_parts, uploads

__all__ = [
    "complete",
    "delete",
    "expired",
    "fetch",
    "insert",
    "lock",
    "parts",
    "put_part",
]


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    connection.execute(uploads.insert().values(values))


def fetch(
    connection: sa.Connection, upload_id: str, tenant_id: str, *, now: float
) -> sa.RowMapping | None:
    """The tenant's upload with this id, unless it has expired."""
    query = uploads.select().where(
        uploads.c.id == upload_id, uploads.c.tenant_id == tenant_id, uploads.c.expires_at > now
    )
    return connection.execute(query).mappings().one_or_none()


def lock(connection: sa.Connection, upload_id: str, tenant_id: str) -> None:
    """Keep the tenant's upload and its parts from being changed until the transaction ends."""
    query = sa.select(uploads.c.id).filter_by(id=upload_id, tenant_id=tenant_id)
    connection.execute(query.with_for_update())


def parts(
    connection: sa.Connection, upload_ids: Collection[str], tenant_id: str | None = None
) -> Sequence[sa.RowMapping]:
    """The parts that have come, in the order of their numbers; of the tenant's uploads alone."""
    query = upload_parts.select().where(upload_parts.c.upload_id.in_(upload_ids))
    if tenant_id is not None:
        query = query.join(uploads).where(uploads.c.tenant_id == tenant_id)
    ordered = query.order_by(upload_parts.c.upload_id, upload_parts.c.number)
    return connection.execute(ordered).mappings().all()


def put_part(connection: sa.Connection, values: Mapping[str, Any]) -> str | None:
    """Add a part of an upload that is locked; the blob of the one it replaces, if it does."""
    same = (
        upload_parts.c.upload_id == values["upload_id"],
        upload_parts.c.number == values["number"],
    )
    old = connection.scalar(sa.select(upload_parts.c.blob).where(*same))
    connection.execute(upload_parts.delete().where(*same))
    connection.execute(upload_parts.insert().values(values))
    return old


def complete(connection: sa.Connection, upload_id: str, media_id: str) -> None:
    """Note what the upload has become; its parts are forgotten."""
    connection.execute(uploads.update().where(uploads.c.id == upload_id).values(media_id=media_id))
    connection.execute(upload_parts.delete().where(upload_parts.c.upload_id == upload_id))


def expired(connection: sa.Connection, now: float, limit: int) -> Sequence[str]:
    """Uploads whose time is over, locked."""
    query = sa.select(uploads.c.id).where(uploads.c.expires_at <= now).limit(limit)
    return connection.scalars(query.with_for_update(skip_locked=True)).all()


def delete(connection: sa.Connection, upload_ids: Collection[str]) -> None:
    """Delete uploads with their parts."""
    connection.execute(uploads.delete().where(uploads.c.id.in_(upload_ids)))

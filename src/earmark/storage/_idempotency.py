"""Rows of idempotency keys: what a request that came before has made."""

from __future__ import annotations

import sqlalchemy as sa

from earmark.storage._insert import insert_new
from earmark.storage._schema import idempotency

__all__ = ["fetch", "promise", "sweep"]


def promise(
    connection: sa.Connection,
    *,
    tenant_id: str,
    key: str,
    fingerprint: str,
    resource_id: str,
    now: float,
) -> sa.RowMapping | None:
    """Note what a key stands for from now on; if it stood for something already, that row."""
    new = {
        "tenant_id": tenant_id,
        "key": key,
        "fingerprint": fingerprint,
        "resource_id": resource_id,
        "created_at": now,
    }
    if insert_new(connection, idempotency, new):
        return None
    return fetch(connection, tenant_id=tenant_id, key=key)


def fetch(connection: sa.Connection, *, tenant_id: str, key: str) -> sa.RowMapping | None:
    """What a key stands for."""
    query = sa.select(idempotency).filter_by(tenant_id=tenant_id, key=key)
    return connection.execute(query).mappings().one_or_none()


def sweep(connection: sa.Connection, before: float) -> None:
    """Forget the keys that were used before that time."""
    connection.execute(idempotency.delete().where(idempotency.c.created_at < before))

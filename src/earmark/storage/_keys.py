"""Rows of API keys, each with the name of its tenant."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from earmark.storage._schema import api_keys, tenants

__all__ = ["any_key", "by_digest", "fetch", "insert", "listing", "revoke", "revoked"]

_KEYS = sa.select(api_keys, tenants.c.name.label("tenant")).join(tenants)


def by_digest(connection: sa.Connection, digest: str) -> sa.RowMapping | None:
    """The key, revoked or not, of this digest (HMAC-SHA256, hex): one indexed read."""
    return (
        connection.execute(api_keys.select().where(api_keys.c.digest == digest)).mappings().first()
    )


def fetch(connection: sa.Connection, key_id: str) -> sa.RowMapping | None:
    return connection.execute(_KEYS.where(api_keys.c.id == key_id)).mappings().first()


def listing(connection: sa.Connection, *, tenant: str | None) -> Sequence[sa.RowMapping]:
    """All keys, or those of the tenant of this name."""
    query = _KEYS.order_by(api_keys.c.created_at.desc(), api_keys.c.id)
    if tenant is not None:
        query = query.where(tenants.c.name == tenant)
    return connection.execute(query).mappings().all()


def any_key(connection: sa.Connection) -> bool:
    """Whether there is a key at all, revoked or not."""
    return connection.scalar(sa.select(api_keys.c.id).limit(1)) is not None


def revoked(connection: sa.Connection, key_ids: Collection[str]) -> set[str]:
    """Those of these keys that are void."""
    query = sa.select(api_keys.c.id).where(
        api_keys.c.id.in_(key_ids), api_keys.c.revoked_at.is_not(None)
    )
    return set(connection.scalars(query))


def insert(
    connection: sa.Connection,
    *,
    key_id: str,
    tenant_id: str,
    name: str,
    scopes: str,
    digest: str,
    now: float,
) -> None:
    connection.execute(
        api_keys.insert().values(
            id=key_id,
            tenant_id=tenant_id,
            name=name,
            scopes=scopes,
            digest=digest,
            created_at=now,
        )
    )


def revoke(connection: sa.Connection, key_id: str, *, now: float) -> None:
    """Mark a key as revoked, unless it is."""
    connection.execute(
        api_keys.update()
        .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )

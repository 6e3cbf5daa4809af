"""Rows of media: recordings in the blob store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._schema import jobs, media, tenants

__all__ = [
    "by_key",
    "claimed",
    "delete",
    "due",
    "fetch",
    "hold",
    "insert",
    "needed",
]

_UNFINISHED = ("queued", "running")


def fetch(
    connection: sa.Connection, media_id: str, *, lock: bool = False, **same: object
) -> sa.RowMapping | None:
    """The media with this id, if its columns ``same`` have these values.

    With ``lock`` nobody else holds it, or comes to hold it, until the transaction ends.
    """
    query = sa.select(media).filter_by(id=media_id, **same)
    if lock:
        query = query.with_for_update()
    return connection.execute(query).mappings().one_or_none()


def by_key(
    connection: sa.Connection, *, tenant_id: str, dialect: str, key: str
) -> sa.RowMapping | None:
    """What the tenant has put under this key."""
    query = sa.select(media).filter_by(tenant_id=tenant_id, dialect=dialect, key=key)
    return connection.execute(query).mappings().one_or_none()


def hold(connection: sa.Connection, media_id: str) -> bool:
    """Keep the row from being deleted until the transaction ends; whether it is still there.

    For whoever adds a job that needs it: only then will `needed` see the job in time.
    """
    query = sa.select(media.c.id).where(media.c.id == media_id)
    return connection.scalar(query.with_for_update(read=True, key_share=True)) is not None


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    """Add media; what had the same key loses it, and is due from now on."""
    if values["key"] is not None:
        tenant = sa.select(tenants.c.id).where(tenants.c.id == values["tenant_id"])
        connection.execute(tenant.with_for_update())  # two writers of one key take turns
        connection.execute(
            media.update()
            .where(*(media.c[name] == values[name] for name in ("tenant_id", "dialect", "key")))
            .values(key=None, expires_at=values["created_at"])
        )
    connection.execute(media.insert().values(values))


def needed(connection: sa.Connection, media_ids: Collection[str]) -> set[str]:
    """Those of the media that a job which is not over still has to read."""
    query = sa.select(jobs.c.media_id).where(
        jobs.c.media_id.in_(media_ids), jobs.c.state.in_(_UNFINISHED)
    )
    return set(connection.scalars(query))


def claimed(connection: sa.Connection, media_id: str) -> bool:
    """Whether any job came with this recording, or names it."""
    return bool(connection.scalar(sa.select(sa.exists().where(jobs.c.media_id == media_id))))


def due(
    connection: sa.Connection, now: float, *, unclaimed_s: float, limit: int
) -> Sequence[sa.RowMapping]:
    """Media that need not be kept, locked: `needed` must still be asked.

    They have expired; or have no end of their own, and came with a job that is gone, or with none
    for ``unclaimed_s``, or are older than the tenant keeps them.
    """
    of_it = jobs.c.media_id == media.c.id
    unfinished = sa.exists().where(of_it, jobs.c.state.in_(_UNFINISHED)).correlate(media)
    unclaimed = ~sa.exists().where(of_it).correlate(media)
    query = (
        sa.select(media)
        .join(tenants)
        .where(
            ~unfinished,
            sa.or_(
                media.c.expires_at <= now,
                sa.and_(
                    media.c.expires_at.is_(None),
                    sa.or_(
                        media.c.owned & unclaimed & (media.c.created_at <= now - unclaimed_s),
                        ~media.c.owned & (media.c.created_at + tenants.c.retention_s <= now),
                    ),
                ),
            ),
        )
        .limit(limit)
        .with_for_update(of=media, skip_locked=True)
    )
    return connection.execute(query).mappings().all()


def delete(connection: sa.Connection, media_ids: Collection[str]) -> None:
    connection.execute(media.delete().where(media.c.id.in_(media_ids)))

"""Rows of galleries, and of what changed in them, which the indexes of all processes follow."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._insert import insert_new
from earmark.storage._paging import count_rows, newest_first
from earmark.storage._schema import galleries, gallery_changes

__all__ = [
    "by_key",
    "changes",
    "count",
    "delete",
    "fetch",
    "forget_changes",
    "insert",
    "listing",
    "touch",
    "update",
]

Row = sa.RowMapping


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> bool:
    """Add a gallery, unless its id or its key in the dialect is taken; whether it was added."""
    return insert_new(connection, galleries, values)


def fetch(
    connection: sa.Connection,
    gallery_id: str,
    *,
    lock: bool = False,
    hold: bool = False,
    **same: object,
) -> Row | None:
    """The gallery with this id, if its columns ``same`` have these values.

    Until the transaction ends, with ``lock`` nobody else changes or deletes it, with ``hold``
    nobody deletes it.
    """
    query = sa.select(galleries).filter_by(id=gallery_id, **same)
    if lock or hold:
        query = query.with_for_update(read=not lock, key_share=not lock)
    return connection.execute(query).mappings().one_or_none()


def by_key(connection: sa.Connection, *, tenant_id: str, dialect: str, key: str) -> Row | None:
    """The tenant's gallery with this name in the dialect."""
    query = sa.select(galleries).filter_by(tenant_id=tenant_id, dialect=dialect, key=key)
    return connection.execute(query).mappings().one_or_none()


def listing(
    connection: sa.Connection,
    *,
    same: Mapping[str, object],
    before: tuple[float, str] | None,
    limit: int,
) -> Sequence[Row]:
    """Galleries, newest first, from the one before (created_at, id) on."""
    return newest_first(connection, galleries, same, before, limit)


def count(connection: sa.Connection, same: Mapping[str, object]) -> int:
    return count_rows(connection, galleries, same)


def update(connection: sa.Connection, gallery_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(galleries.update().filter_by(id=gallery_id).values(values))


def delete(connection: sa.Connection, gallery_id: str) -> None:
    """Delete a gallery that has no speakers any more, with the list of its changes."""
    connection.execute(gallery_changes.delete().filter_by(gallery_id=gallery_id))
    connection.execute(galleries.delete().filter_by(id=gallery_id))


def touch(connection: sa.Connection, gallery_id: str, speaker_ids: Collection[str]) -> int:
    """Note that something changed for these speakers' matches; the gallery's new revision.

    There is one change per speaker and one revision per change, without gaps. The gallery's row is
    locked from here on, so that revisions are committed in their order.
    """
    changed = sorted(set(speaker_ids))
    revision = connection.scalar(
        galleries.update()
        .filter_by(id=gallery_id)
        .values(revision=galleries.c.revision + len(changed))
        .returning(galleries.c.revision)
    )
    assert revision is not None, f"the gallery {gallery_id} is gone while its speakers change"
    first, now = revision - len(changed) + 1, time.time()
    connection.execute(
        gallery_changes.insert(),
        [
            {"gallery_id": gallery_id, "revision": number, "speaker_id": speaker_id, "at": now}
            for number, speaker_id in enumerate(changed, first)
        ],
    )
    return int(revision)


def changes(connection: sa.Connection, gallery_id: str, revision: int, limit: int) -> Sequence[Row]:
    """What changed after this revision, in its order, the first ``limit`` changes.

    Revisions have no gaps: when the first one is not ``revision + 1``, older ones are forgotten,
    and all of the gallery is to be read anew.
    """
    query = sa.select(gallery_changes).where(
        gallery_changes.c.gallery_id == gallery_id, gallery_changes.c.revision > revision
    )
    query = query.order_by(gallery_changes.c.revision).limit(limit)
    return connection.execute(query).mappings().all()


def forget_changes(connection: sa.Connection, before: float) -> None:
    """Forget the changes before that time, which every index has long seen."""
    connection.execute(gallery_changes.delete().where(gallery_changes.c.at < before))

"""Rows of speakers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._insert import insert_new
from earmark.storage._schema import speakers

__all__ = [
    "by_key",
    "count",
    "delete",
    "doom",
    "due",
    "family",
    "fetch",
    "insert",
    "listing",
    "many",
    "matched",
    "named",
    "of_gallery",
    "renew",
    "update",
]

Row = sa.RowMapping


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> bool:
    """Add a speaker, unless their id or their key in the gallery is taken; whether added."""
    return insert_new(connection, speakers, values)


def fetch(
    connection: sa.Connection, speaker_id: str, *, lock: bool = False, **same: object
) -> Row | None:
    """The speaker with this id, if their columns ``same`` have these values.

    With ``lock`` nobody else changes or erases them until the transaction ends.
    """
    query = sa.select(speakers).filter_by(id=speaker_id, **same)
    if lock:
        query = query.with_for_update()
    return connection.execute(query).mappings().one_or_none()


def many(connection: sa.Connection, speaker_ids: Collection[str], **same: object) -> Sequence[Row]:
    """Those of these speakers that there are, whose columns ``same`` have these values."""
    query = sa.select(speakers).filter_by(**same).where(speakers.c.id.in_(speaker_ids))
    return connection.execute(query).mappings().all()


def family(
    connection: sa.Connection, speaker_ids: Collection[str], *, lock: bool = False
) -> Sequence[Row]:
    """These speakers and those merged into them; ``lock`` as `fetch` has it.

    With it, nobody joins them or leaves until the transaction ends.
    """
    theirs = speakers.c.id.in_(speaker_ids) | speakers.c.merged_into.in_(speaker_ids)
    query = sa.select(speakers).where(theirs)
    if not lock:
        return connection.execute(query.order_by(speakers.c.id)).mappings().all()
    query = query.order_by(speakers.c.id).with_for_update()  # so that nobody waits in a circle
    while True:
        with connection.begin_nested() as attempt:
            found = connection.execute(query).mappings().all()
            # Whoever joined while others were waited for is not in what was found.
            now = connection.scalars(sa.select(speakers.c.id).where(theirs)).all()
            if {row["id"] for row in found} == set(now):
                return found
            attempt.rollback()


def by_key(connection: sa.Connection, gallery_id: str, key: str) -> Row | None:
    """The gallery's speaker with this name in the dialect."""
    query = sa.select(speakers).filter_by(gallery_id=gallery_id, key=key)
    return connection.execute(query).mappings().one_or_none()


def named(
    connection: sa.Connection, gallery_id: str, name: str, *, now: float, limit: int
) -> Sequence[Row]:
    """A gallery's speakers of this name that have not expired; those not merged come first."""
    query = sa.select(speakers).filter_by(gallery_id=gallery_id, name=name)
    query = query.where(speakers.c.expires_at > now)
    query = query.order_by(speakers.c.merged_into.is_not(None), speakers.c.id).limit(limit)
    return connection.execute(query).mappings().all()


def of_gallery(connection: sa.Connection, gallery_id: str, limit: int) -> Sequence[str]:
    """Ids of some speakers of a gallery, expired or not."""
    query = sa.select(speakers.c.id).filter_by(gallery_id=gallery_id).limit(limit)
    return connection.scalars(query).all()


def listing(
    connection: sa.Connection,
    gallery_id: str,
    *,
    now: float,
    search: str | None,
    before: tuple[float, str] | None,
    limit: int,
) -> Sequence[Row]:
    """A gallery's speakers that have not expired, newest first, from (created_at, id) on."""
    query = sa.select(speakers).where(*_current(gallery_id, now, search))
    if before is not None:
        query = query.where(sa.tuple_(speakers.c.created_at, speakers.c.id) < sa.tuple_(*before))
    query = query.order_by(speakers.c.created_at.desc(), speakers.c.id.desc()).limit(limit)
    return connection.execute(query).mappings().all()


def count(connection: sa.Connection, gallery_id: str, *, now: float, search: str | None) -> int:
    query = sa.select(sa.func.count()).where(*_current(gallery_id, now, search))
    return connection.scalar(query) or 0


def update(connection: sa.Connection, speaker_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(speakers.update().filter_by(id=speaker_id).values(values))


def renew(connection: sa.Connection, speaker_id: str, expires_at: float) -> None:
    """Have a speaker expire then, unless a time was fixed for them."""
    query = speakers.update().filter_by(id=speaker_id, expiry_fixed=False)
    connection.execute(query.values(expires_at=expires_at))


def matched(
    connection: sa.Connection,
    speaker_ids: Collection[str],
    *,
    now: float,
    expiry_s: float,
    every_s: float = 3600.0,
) -> int:
    """Note that these speakers, and those merged into them, were matched; how many it is noted of.

    They expire ``expiry_s`` from now, unless a time was fixed for them. It is noted once in
    ``every_s``, never of somebody who has expired, and not now of somebody who is being changed.
    """
    due = speakers.c.matched_at.is_(None) | (speakers.c.matched_at <= now - every_s)
    theirs = speakers.c.id.in_(speaker_ids) | speakers.c.merged_into.in_(speaker_ids)
    query = sa.select(speakers.c.id).where(theirs, due, speakers.c.expires_at > now)
    found = connection.scalars(query.with_for_update(skip_locked=True)).all()
    expires_at = sa.case(
        (speakers.c.expiry_fixed, speakers.c.expires_at), else_=sa.literal(now + expiry_s)
    )
    if found:
        connection.execute(
            speakers.update()
            .where(speakers.c.id.in_(found))
            .values(matched_at=now, expires_at=expires_at)
        )
    return len(found)


def doom(connection: sa.Connection, speaker_ids: Collection[str], now: float) -> None:
    """Have these speakers expire for good: from here on they will be erased, come what may."""
    connection.execute(
        speakers.update()
        .where(speakers.c.id.in_(speaker_ids))
        .values(expires_at=0.0, expiry_fixed=True, updated_at=now)
    )


def due(connection: sa.Connection, now: float, limit: int) -> Sequence[Row]:
    """Speakers who have expired, those who did first first."""
    query = sa.select(speakers).where(speakers.c.expires_at <= now)
    query = query.order_by(speakers.c.expires_at, speakers.c.id).limit(limit)
    return connection.execute(query).mappings().all()


def delete(connection: sa.Connection, speaker_ids: Collection[str]) -> None:
    connection.execute(speakers.delete().where(speakers.c.id.in_(speaker_ids)))


def _current(gallery_id: str, now: float, search: str | None) -> list[sa.ColumnElement[bool]]:
    chosen = [speakers.c.gallery_id == gallery_id, speakers.c.expires_at > now]
    if search:
        chosen.append(speakers.c.name.icontains(search, autoescape=True))
    return chosen

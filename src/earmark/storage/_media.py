"""Rows of media: recordings in the blob store."""

from __future__ import annotations

import sqlalchemy as sa

from earmark.storage._schema import media

__all__ = ["fetch"]


def fetch(connection: sa.Connection, media_id: str, **same: object) -> sa.RowMapping | None:
    """The recording with this id, if its columns ``same`` have these values."""
    query = sa.select(media).filter_by(id=media_id, **same)
    return connection.execute(query).mappings().one_or_none()

"""Rows of consents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._schema import consents

__all__ = ["delete", "insert", "of_speakers", "valid", "withdraw"]

Row = sa.RowMapping


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    connection.execute(consents.insert().values(values))


def of_speakers(connection: sa.Connection, speaker_ids: Collection[str]) -> Sequence[Row]:
    """All that these speakers have given, withdrawn or not, oldest first."""
    query = sa.select(consents).where(consents.c.speaker_id.in_(speaker_ids))
    query = query.order_by(consents.c.created_at, consents.c.id)
    return connection.execute(query).mappings().all()


def valid(connection: sa.Connection, speaker_id: str) -> str | None:
    """The id of the newest consent that was not withdrawn; None when there is none."""
    query = sa.select(consents.c.id).filter_by(speaker_id=speaker_id, withdrawn_at=None)
    return connection.scalar(query.order_by(consents.c.created_at.desc(), consents.c.id).limit(1))


def withdraw(connection: sa.Connection, speaker_id: str, now: float) -> Sequence[str]:
    """Mark all that the speaker has given as withdrawn; ids of what was not yet."""
    query = (
        consents.update()
        .filter_by(speaker_id=speaker_id, withdrawn_at=None)
        .values(withdrawn_at=now)
        .returning(consents.c.id)
    )
    return connection.scalars(query).all()


def delete(connection: sa.Connection, speaker_ids: Collection[str]) -> None:
    connection.execute(consents.delete().where(consents.c.speaker_id.in_(speaker_ids)))

"""Rows of samples: the recordings that speakers were enrolled from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.storage._schema import samples

__all__ = ["delete", "fetch", "insert", "of_speakers", "update"]

Row = sa.RowMapping


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    connection.execute(samples.insert().values(values))


def fetch(connection: sa.Connection, sample_id: str, **same: object) -> Row | None:
    """The sample with this id, if its columns ``same`` have these values."""
    query = sa.select(samples).filter_by(id=sample_id, **same)
    return connection.execute(query).mappings().one_or_none()


def of_speakers(connection: sa.Connection, speaker_ids: Collection[str]) -> Sequence[Row]:
    """All samples of these speakers, oldest first."""
    query = sa.select(samples).where(samples.c.speaker_id.in_(speaker_ids))
    query = query.order_by(samples.c.created_at, samples.c.id)
    return connection.execute(query).mappings().all()


def update(connection: sa.Connection, sample_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(samples.update().filter_by(id=sample_id).values(values))


def delete(connection: sa.Connection, sample_ids: Collection[str]) -> None:
    connection.execute(samples.delete().where(samples.c.id.in_(sample_ids)))

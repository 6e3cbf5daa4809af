"""Rows of voiceprints: sealed, each with its speaker's data key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa

from earmark.storage._schema import samples, speakers, voiceprints

__all__ = [
    "Counting",
    "count",
    "counting",
    "counting_parts",
    "delete",
    "fetch",
    "insert",
    "of_other_models",
    "of_speakers",
    "summaries",
    "update",
]

Row = sa.RowMapping

Counting = tuple[str, str, float, bytes]
"""``speaker_id``, ``counts_for``, ``expires_at`` and ``sealed`` of `counting`."""


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    connection.execute(voiceprints.insert().values(values))


def fetch(connection: sa.Connection, voiceprint_id: str, **same: object) -> Row | None:
    """The voiceprint with this id, if its columns ``same`` have these values."""
    query = sa.select(voiceprints).filter_by(id=voiceprint_id, **same)
    return connection.execute(query).mappings().one_or_none()


def of_speakers(connection: sa.Connection, speaker_ids: Collection[str]) -> Sequence[Row]:
    """All that these speakers hold, oldest first."""
    query = sa.select(voiceprints).where(voiceprints.c.speaker_id.in_(speaker_ids))
    query = query.order_by(voiceprints.c.created_at, voiceprints.c.id)
    return connection.execute(query).mappings().all()


def summaries(
    connection: sa.Connection,
    tenant_id: str,
    speaker_ids: Collection[str],
    *,
    model: str,
    grades: Sequence[str],
) -> Sequence[Row]:
    """What each of these speakers of a tenant holds in all, for those who hold a voiceprint.

    ``speech_s`` behind voiceprints of the model, ``duration_s`` of all samples, and the ``grade``
    of the best quality, its place in ``grades``; both may be null.
    """
    ours = sa.case((voiceprints.c.model == model, voiceprints.c.net_speech_s), else_=0.0)
    ranks = {grade: rank for rank, grade in enumerate(grades)}
    duration_s = (
        sa.select(sa.func.sum(samples.c.duration_s))
        .where(samples.c.speaker_id == voiceprints.c.speaker_id)
        .scalar_subquery()
    )
    query = (
        sa.select(
            voiceprints.c.speaker_id,
            sa.func.sum(ours).label("speech_s"),
            sa.func.max(sa.case(ranks, value=voiceprints.c.quality)).label("grade"),
            duration_s.label("duration_s"),
        )
        .where(
            voiceprints.c.tenant_id == tenant_id,
            voiceprints.c.speaker_id.in_(speaker_ids),
        )
        .group_by(voiceprints.c.speaker_id)
    )
    return connection.execute(query).mappings().all()


def counting(
    connection: sa.Connection,
    gallery_id: str,
    model: str,
    speaker_ids: Collection[str] | None = None,
) -> sa.MappingResult:
    """The voiceprints that somebody can be matched with, ``sealed``.

    ``counts_for`` is the speaker whom a match names: the owner ``speaker_id``, or whom the owner
    is merged into; all of one speaker's come together. Those of people who have withdrawn their
    consent are left out, and what counts for such people too. ``expires_at`` is when it ends to
    count, which may be over. ``speaker_ids`` leaves only what counts for these speakers.
    """
    return connection.execute(_counting(connection, gallery_id, model, speaker_ids)).mappings()


def counting_parts(
    connection: sa.Connection,
    gallery_id: str,
    model: str,
    size: int,
    speaker_ids: Collection[str] | None = None,
) -> Iterator[Sequence[Counting]]:
    """The same, about ``size`` at once; all of one speaker's are in one part."""
    query = _counting(connection, gallery_id, model, speaker_ids)
    rows = connection.execute(query.execution_options(yield_per=size))
    held: list[Counting] = []
    for more in cast(Iterator[Sequence[Counting]], rows.partitions()):
        part: list[Counting] = [*held, *more]
        end = len(part) - 1
        while end and part[end - 1][1] == part[-1][1]:
            end -= 1
        part, held = part[:end], part[end:]
        yield part
    yield held


def _counting(
    connection: sa.Connection,
    gallery_id: str,
    model: str,
    speaker_ids: Collection[str] | None,
) -> sa.Select[Any]:
    target = speakers.alias("target")
    counts_for = sa.func.coalesce(speakers.c.merged_into, speakers.c.id)
    query = (
        sa.select(
            voiceprints.c.speaker_id,
            counts_for.label("counts_for"),
            sa.case(
                (target.c.expires_at < speakers.c.expires_at, target.c.expires_at),
                else_=speakers.c.expires_at,
            ).label("expires_at"),
            voiceprints.c.sealed,
        )
        .select_from(voiceprints)
        .join(speakers, voiceprints.c.speaker_id == speakers.c.id)
        .outerjoin(target, speakers.c.merged_into == target.c.id)
        .where(
            voiceprints.c.model == model,
            speakers.c.gallery_id == gallery_id,
            speakers.c.withdrawn_at.is_(None),
            target.c.withdrawn_at.is_(None),
        )
        .order_by(counts_for, voiceprints.c.created_at, voiceprints.c.id)
    )
    if speaker_ids is None:
        query = query.where(voiceprints.c.gallery_id == gallery_id)
    else:  # told by the owners, so that not all of the gallery is looked at
        family = speakers.c.id.in_(speaker_ids) | speakers.c.merged_into.in_(speaker_ids)
        owners = connection.scalars(sa.select(speakers.c.id).where(family)).all()
        query = query.where(voiceprints.c.speaker_id.in_(owners), counts_for.in_(speaker_ids))
    return query


def count(connection: sa.Connection, gallery_id: str, model: str) -> int:
    """How many there are in a gallery, of people who can be matched and others."""
    query = sa.select(sa.func.count()).select_from(voiceprints)
    return connection.scalar(query.filter_by(gallery_id=gallery_id, model=model)) or 0


def of_other_models(
    connection: sa.Connection, tenant_id: str, model: str, gallery_id: str | None
) -> Sequence[str]:
    """Ids of the tenant's speakers that hold voiceprints of another model than this one."""
    query = sa.select(voiceprints.c.speaker_id).distinct()
    query = query.where(voiceprints.c.tenant_id == tenant_id, voiceprints.c.model != model)
    if gallery_id is not None:
        query = query.where(voiceprints.c.gallery_id == gallery_id)
    return connection.scalars(query.order_by(voiceprints.c.speaker_id)).all()


def update(
    connection: sa.Connection, voiceprint_id: str, values: Mapping[str, Any], **same: object
) -> bool:
    """Change a voiceprint, if its columns ``same`` still have these values; whether they had."""
    changed = connection.execute(
        voiceprints.update().filter_by(id=voiceprint_id, **same).values(values)
    )
    return changed.rowcount == 1


def delete(
    connection: sa.Connection,
    *,
    ids: Collection[str] | None = None,
    speaker_ids: Collection[str] | None = None,
) -> None:
    """Delete these voiceprints, or all of these speakers."""
    chosen = (
        voiceprints.c.id.in_(ids)
        if ids is not None
        else voiceprints.c.speaker_id.in_(speaker_ids or ())
    )
    connection.execute(voiceprints.delete().where(chosen))

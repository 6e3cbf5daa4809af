"""What the parts of `Speakers` have in common."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from earmark.errors import NotFound
from earmark.service._audit import actor_of, note
from earmark.service._model import Caller
from earmark.service._people import Speaker
from earmark.service._people_rows import speaker_of
from earmark.service._store import Store
from earmark.storage import galleries as gallery_rows
from earmark.storage import speakers as rows

__all__ = ["SpeakerPart", "found_speaker", "keyed_speaker", "no_speaker"]


class SpeakerPart:
    """Something that is done with the speakers of all tenants."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _note(
        self,
        connection: sa.Connection,
        caller: Caller,
        action: str,
        speaker_id: str,
        **details: Any,
    ) -> None:
        note(connection, caller.tenant_id, actor_of(caller), action, speaker_id, details)


def found_speaker(
    connection: sa.Connection,
    caller: Caller,
    speaker_id: str,
    *,
    gallery_id: str | None = None,
    dialect: str | None = None,
    lock: bool = False,
) -> Speaker:
    """The caller's speaker, of this gallery and of a gallery of this dialect if these are given.

    Raises `NotFound` for any other, and for one whose time is over: nobody sees them any more,
    whether they have been swept yet or not.
    """
    row = rows.fetch(connection, speaker_id, lock=lock, tenant_id=caller.tenant_id)
    if row is None or row["expires_at"] <= time.time():
        raise no_speaker(speaker_id)
    same: dict[str, Any] = {} if dialect is None else {"dialect": dialect}
    gallery = gallery_rows.fetch(connection, row["gallery_id"], **same)
    if gallery is None or gallery_id not in (None, gallery["id"]):
        raise no_speaker(speaker_id)
    return speaker_of(row)


def keyed_speaker(connection: sa.Connection, caller: Caller, gallery_id: str, key: str) -> Speaker:
    """The gallery's speaker with this key. Raises `NotFound` as `found_speaker`."""
    row = rows.by_key(connection, gallery_id, key)
    foreign = row is None or row["tenant_id"] != caller.tenant_id
    if row is None or foreign or row["expires_at"] <= time.time():
        raise no_speaker(key)
    return speaker_of(row)


def no_speaker(name: str) -> NotFound:
    return NotFound(f"There is no speaker {name!r}.")

"""Somebody new in a gallery: looked at before, and added in the transaction of whoever needs it."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from earmark.errors import Conflict, InvalidOption, NotFound
from earmark.service._consents import give_consent
from earmark.service._erasure import Erasure
from earmark.service._model import Caller
from earmark.service._people import Consent, NewConsent, NewSpeaker, Speaker
from earmark.service._speaker_part import SpeakerPart, found_speaker
from earmark.service._store import Store
from earmark.service._text import checked_details, checked_name
from earmark.settings import Settings
from earmark.storage import galleries as gallery_rows
from earmark.storage import speakers as rows

__all__ = ["SpeakerMaking", "checked_expiry", "hold_gallery"]


class SpeakerMaking(SpeakerPart):
    """Adds speakers to the galleries of all tenants."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._erasure = Erasure(store)

    def _prepared(self, caller: Caller, new: NewSpeaker) -> dict[str, Any]:
        """The row of somebody new. Whoever has their key and has expired is erased.

        Raises `InvalidOption`.
        """
        now = time.time()
        latest = now + self._store.settings.speaker_expiry_s
        if new.key is not None:
            self._clear(caller, new.gallery_id, new.key, now)
        return {
            "id": new.id or str(uuid.uuid4()),
            "tenant_id": caller.tenant_id,
            "gallery_id": new.gallery_id,
            "key": None if new.key is None else checked_name(new.key, "A speaker's key"),
            "name": checked_name(new.name, "A speaker's name"),
            "details": checked_details(new.details),
            "expires_at": checked_expiry(self._store.settings, new.expires_at, now, latest),
            "expiry_fixed": new.expires_at is not None,
            "created_at": now,
            "updated_at": now,
        }

    def _check_new(self, connection: sa.Connection, caller: Caller, row: Mapping[str, Any]) -> None:
        """Raise what `hold_gallery` and `_added` would, without changing anything."""
        if gallery_rows.fetch(connection, row["gallery_id"], tenant_id=caller.tenant_id) is None:
            raise _no_gallery(row["gallery_id"])
        taken = row["key"] and rows.by_key(connection, row["gallery_id"], row["key"])
        if taken or rows.fetch(connection, row["id"]):
            raise _taken(row)

    def _added(
        self,
        connection: sa.Connection,
        caller: Caller,
        row: Mapping[str, Any],
        consent: NewConsent | None,
    ) -> tuple[Speaker, Consent | None]:
        """Add them, in a transaction that holds the gallery; `_note_new` comes at its end.

        Raises `Conflict` when the id or the key in the gallery is taken, `InvalidOption`.
        """
        if not rows.insert(connection, row):
            raise _taken(row)
        speaker = found_speaker(connection, caller, row["id"])
        return speaker, None if consent is None else give_consent(connection, speaker, consent)

    def _note_new(self, connection: sa.Connection, caller: Caller, speaker: Speaker) -> None:
        self._note(connection, caller, "speaker.create", speaker.id, gallery=speaker.gallery_id)

    def _clear(self, caller: Caller, gallery_id: str, key: str, now: float) -> None:
        """Erase who has this key if they have expired and were not swept yet."""
        with self._store.database.read() as connection:
            row = rows.by_key(connection, gallery_id, key)
        if row is not None and row["expires_at"] <= now and row["tenant_id"] == caller.tenant_id:
            self._erasure.expire(caller.tenant_id, row["id"], now)


def hold_gallery(connection: sa.Connection, caller: Caller, gallery_id: str) -> None:
    """Keep a gallery from being deleted until the transaction ends. Raises `NotFound`."""
    held = gallery_rows.fetch(connection, gallery_id, hold=True, tenant_id=caller.tenant_id)
    if held is None:
        raise _no_gallery(gallery_id)


def _no_gallery(gallery_id: str) -> NotFound:
    return NotFound(f"There is no gallery {gallery_id!r}.")


def _taken(row: Mapping[str, Any]) -> Conflict:
    return Conflict(
        f"There is a speaker {row['key'] or row['id']!r} in this gallery already: take another"
        " name, or use that one."
    )


def checked_expiry(
    settings: Settings, expires_at: float | None, now: float, latest: float
) -> float:
    """When somebody expires: as they ask, or ``latest``. Raises `InvalidOption`."""
    if expires_at is None:
        return latest
    if not math.isfinite(expires_at) or not now < expires_at <= latest:
        raise InvalidOption(
            f"A speaker expires in the future, and {settings.speaker_expiry_s / 86400:g} days after"
            " the enrolment or the last match at the latest (EARMARK_SPEAKER_EXPIRY_S): give a"
            " time between."
        )
    return expires_at

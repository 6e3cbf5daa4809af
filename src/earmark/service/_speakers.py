"""Speakers: enrolled people, and all that is done with them but to enrol and to find them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from earmark.errors import Conflict, NotFound
from earmark.service._audit import actor_of
from earmark.service._consents import SpeakerConsents, touch_speaker
from earmark.service._export import SpeakerExport
from earmark.service._idempotency import earlier
from earmark.service._merging import SpeakerMerging
from earmark.service._model import Caller, Idempotency, Page, Scope
from earmark.service._new_speaker import SpeakerMaking, checked_expiry, hold_gallery
from earmark.service._paging import page_of, read_cursor
from earmark.service._people import NewConsent, NewSpeaker, Receipt, Speaker
from earmark.service._people_rows import speaker_of
from earmark.service._speaker_part import found_speaker, keyed_speaker, no_speaker
from earmark.service._speaker_voiceprints import SpeakerVoiceprints
from earmark.service._text import checked_details, checked_name
from earmark.storage import galleries as gallery_rows
from earmark.storage import speakers as rows

__all__ = ["Speakers"]


class SpeakerRecords(SpeakerMaking):
    """Made, found, changed and erased."""

    def create(
        self,
        caller: Caller,
        gallery_id: str,
        *,
        name: str,
        key: str | None = None,
        details: Mapping[str, Any] | None = None,
        consent: NewConsent | None = None,
        expires_at: float | None = None,
        speaker_id: str | None = None,
        idempotency: Idempotency | None = None,
    ) -> Speaker:
        """Note somebody in a gallery, with their consent if it is known; nothing is enrolled yet.

        ``key`` is unique in the gallery, where a dialect's names are. They expire at
        ``expires_at`` whatever comes, or as the settings say after their last match; never later.
        Raises `NotFound` for the gallery, `Conflict` when the key is taken, `InvalidOption`, and
        `IdempotencyConflict`.
        """
        caller.require(Scope.GALLERIES)
        row = self._prepared(
            caller,
            NewSpeaker(
                gallery_id=gallery_id,
                name=name,
                key=key,
                details=details,
                expires_at=expires_at,
                id=speaker_id,
            ),
        )
        with self._store.database.write() as connection:
            hold_gallery(connection, caller, gallery_id)
            known = earlier(connection, caller.tenant_id, idempotency, row["id"])
            if known is not None:
                return found_speaker(connection, caller, known)
            speaker, given = self._added(connection, caller, row, consent)
            self._note_new(connection, caller, speaker)
            if given is not None:
                self._note(connection, caller, "consent.give", speaker.id, consent=given.id)
        return speaker

    def get(
        self,
        caller: Caller,
        speaker_id: str,
        *,
        gallery_id: str | None = None,
        dialect: str | None = None,
    ) -> Speaker:
        """One speaker, of this gallery and dialect if they are given. Raises `NotFound`."""
        caller.require(Scope.GALLERIES)
        with self._store.database.read() as connection:
            return found_speaker(
                connection, caller, speaker_id, gallery_id=gallery_id, dialect=dialect
            )

    def by_key(self, caller: Caller, gallery_id: str, key: str) -> Speaker:
        """The gallery's speaker with this key. Raises `NotFound`."""
        caller.require(Scope.GALLERIES)
        with self._store.database.read() as connection:
            return keyed_speaker(connection, caller, gallery_id, key)

    def by_name(self, caller: Caller, gallery_id: str, name: str) -> Speaker:
        """The gallery's one speaker of this name; who is merged into another counts as that one.

        Raises `NotFound`, and `Conflict` when several have the name.
        """
        caller.require(Scope.GALLERIES)
        with self._store.database.read() as connection:
            found = rows.named(connection, gallery_id, name, now=time.time(), limit=2)
        if not found or found[0]["tenant_id"] != caller.tenant_id:
            raise no_speaker(name)
        if len(found) > 1 and found[1]["merged_into"] is None:
            raise Conflict(
                f"Several people in this gallery are called {name!r}: tell who is meant by the id,"
                " or rename or merge them."
            )
        return speaker_of(found[0])

    def list(
        self,
        caller: Caller,
        gallery_id: str,
        *,
        limit: int = 50,
        cursor: str | None = None,
        search: str | None = None,
    ) -> Page[Speaker]:
        """A gallery's speakers, newest first; those whose name holds ``search`` if it is given.

        Raises `NotFound` for the gallery, `InvalidOption` for a cursor that is none.
        """
        caller.require(Scope.GALLERIES)
        before, now = read_cursor(cursor), time.time()
        with self._store.database.read() as connection:
            if gallery_rows.fetch(connection, gallery_id, tenant_id=caller.tenant_id) is None:
                raise NotFound(f"There is no gallery {gallery_id!r}.")
            found = rows.listing(
                connection, gallery_id, now=now, search=search, before=before, limit=limit + 1
            )
            total = rows.count(connection, gallery_id, now=now, search=search)
        return page_of([speaker_of(row) for row in found], limit, total)

    def names(self, caller: Caller, speaker_ids: Collection[str]) -> dict[str, str]:
        """The names of those of these speakers that there are: for results, which hold only ids.

        Who may look at jobs may see them too.
        """
        if Scope.JOBS not in caller.scopes:
            caller.require(Scope.GALLERIES)
        now = time.time()
        with self._store.database.read() as connection:
            found = rows.many(connection, speaker_ids, tenant_id=caller.tenant_id)
        return {row["id"]: row["name"] for row in found if row["expires_at"] > now}

    def update(
        self,
        caller: Caller,
        speaker_id: str,
        *,
        name: str | None = None,
        details: Mapping[str, Any] | None = None,
        expires_at: float | None = None,
    ) -> Speaker:
        """Change what is given; a time to expire at stays whatever comes.

        Raises `NotFound`, and `InvalidOption` for names, details and times that cannot be.
        """
        caller.require(Scope.GALLERIES)
        now, settings = time.time(), self._store.settings
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = checked_name(name, "A speaker's name")
        if details is not None:
            changes["details"] = checked_details(details)
        with self._store.database.write() as connection:
            speaker = found_speaker(connection, caller, speaker_id, lock=True)
            if expires_at is not None:
                latest = (speaker.matched_at or speaker.created_at) + settings.speaker_expiry_s
                changes["expires_at"] = checked_expiry(settings, expires_at, now, latest)
                changes["expiry_fixed"] = True
                touch_speaker(connection, speaker)
            if changes:
                rows.update(connection, speaker_id, {**changes, "updated_at": now})
                changed = sorted(changes.keys() - {"expiry_fixed"})
                self._note(connection, caller, "speaker.update", speaker_id, changed=changed)
            return found_speaker(connection, caller, speaker_id)

    def erase(self, caller: Caller, speaker_id: str) -> Receipt:
        """Erase all that is kept of a speaker, and of those merged into them, for good.

        Raises `NotFound`, also when it was done before: the receipt of then is in the list.
        """
        caller.require(Scope.GALLERIES)
        return self._erasure.erase(caller.tenant_id, speaker_id, actor_of(caller))

    def sweep(self, now: float) -> int:
        """Erase who has expired at ``now``; how many receipts that came to."""
        return self._erasure.sweep(now)


class Speakers(SpeakerRecords, SpeakerVoiceprints, SpeakerConsents, SpeakerMerging, SpeakerExport):
    """The speakers of all tenants; every method sees only the caller's.

    Raises `Forbidden` without the scope, and `NotFound` for an unknown id, for any that is not the
    caller's, and for one who has expired.
    """

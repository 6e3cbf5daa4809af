"""Recordings that callers keep in the blob store."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import sqlalchemy as sa

from earmark.errors import Conflict, InvalidOption, NotFound
from earmark.service._intake import Intake, IntakeWriter, stored_text
from earmark.service._model import Caller, Media, Scope
from earmark.service._store import Store
from earmark.storage import media as rows

__all__ = ["MediaLibrary", "MediaWriter", "add_media", "discard_media"]

MediaWriter: TypeAlias = IntakeWriter[Media]

_LONGEST_KEY = 255
_UNCLAIMED_S = 600.0  # from a recording's arrival to its job's
_ANSWER_S = 2 * 3600.0  # from a recording's arrival to an answer at once, however many wait
_AT_ONCE = 500


class MediaLibrary:
    """The recordings of all tenants; whose one is not is as if it were not there."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def writer(
        self,
        caller: Caller,
        *,
        dialect: str,
        key: str | None = None,
        name: str | None = None,
        owned: bool = False,
        at_once: bool = False,
        announced: int | None = None,
        retention_s: float | None = None,
    ) -> MediaWriter:
        """Begin a recording, which `MediaWriter.commit` returns.

        Under a ``key`` it replaces what the tenant had there; jobs that need that one keep it.
        An ``owned`` one goes with the job that is submitted with it, or, where the request is
        answered ``at_once``, with the request (`for_request`). ``announced`` is its size in bytes,
        if known; ``retention_s`` how long it is kept, None: as the tenant has set.

        Raises `Forbidden` without the scope, `MediaTooLarge`, `DiskFull`, `StorageUnavailable`.
        """
        caller.require(Scope.JOBS, Scope.GALLERIES)
        if key is not None and not 0 < len(key) <= _LONGEST_KEY:
            raise InvalidOption(
                f"A key has 1 to {_LONGEST_KEY} characters, and this one {len(key)}: choose"
                " another."
            )
        if at_once:
            retention_s = _ANSWER_S
        media_id = str(uuid.uuid4())

        def finish(intake: Intake) -> Media:
            intake.commit()
            now = time.time()
            media = Media(
                id=media_id,
                tenant_id=caller.tenant_id,
                dialect=dialect,
                key=key,
                name=stored_text(name),
                blob=intake.path,
                size=intake.size,
                sha256=intake.sha256,
                owned=owned,
                created_at=now,
                expires_at=None if retention_s is None else now + retention_s,
            )
            # If this fails the blob stays behind: whether the row is there may not be known.
            with self._store.database.write() as connection:
                add_media(connection, media)
            return media

        intake = Intake(
            self._store,
            f"media/{caller.tenant_id}/{media_id}",
            what="The recording",
            limit=self._store.settings.max_upload_bytes,
            announced=announced,
        )
        return IntakeWriter(intake, finish)

    def get(self, caller: Caller, media_id: str) -> Media:
        """One recording. Raises `NotFound` for one that is unknown, expired or not the caller's."""
        caller.require(Scope.JOBS, Scope.GALLERIES)
        with self._store.database.read() as connection:
            row = rows.fetch(connection, media_id, tenant_id=caller.tenant_id)
        return _current(row, media_id)

    def by_key(self, caller: Caller, dialect: str, key: str) -> Media:
        """What the caller's tenant has under this key; raises as `get` does."""
        caller.require(Scope.JOBS)
        with self._store.database.read() as connection:
            row = rows.by_key(connection, tenant_id=caller.tenant_id, dialect=dialect, key=key)
        return _current(row, key)

    def stream(self, media: Media) -> Iterator[bytes]:
        """Its bytes, in pieces. Raises `NotFound` at once when they were deleted meanwhile."""
        return self._store.blobs.stream(media.blob)

    @contextmanager
    def for_request(self, media: Media | None) -> Iterator[None]:
        """Delete the recording that came with a request afterwards, unless a job has taken it.

        One that is not ``owned`` stays, too.
        """
        try:
            yield
        finally:
            if media is not None and media.owned:
                discard_media(self._store, media)

    def delete(self, caller: Caller, media_id: str) -> None:
        """Delete a recording. Raises `Conflict` while a job needs it, and `NotFound` as `get`."""
        caller.require(Scope.JOBS, Scope.GALLERIES)
        with self._store.database.write() as connection:
            row = rows.fetch(connection, media_id, lock=True, tenant_id=caller.tenant_id)
            media = _current(row, media_id)
            if rows.needed(connection, [media_id]):
                raise Conflict(
                    f"A job still needs the recording {media_id!r}: wait until it is over, or"
                    " cancel it."
                )
            rows.delete(connection, [media_id])
        self._store.blobs.delete(media.blob)

    def sweep(self, now: float) -> int:
        """Delete what is over its time, as `storage.media.due` says; how many."""
        swept = 0
        while True:
            with self._store.database.write() as connection:
                found = rows.due(connection, now, unclaimed_s=_UNCLAIMED_S, limit=_AT_ONCE)
                needed = rows.needed(connection, [row["id"] for row in found])
                over = {row["id"]: row["blob"] for row in found if row["id"] not in needed}
                rows.delete(connection, over)
            self._store.blobs.delete(*over.values())
            swept += len(over)
            if len(over) < _AT_ONCE:
                return swept


def add_media(connection: sa.Connection, media: Media) -> None:
    """Note a recording whose blob has been committed."""
    rows.insert(connection, {name: getattr(media, name) for name in Media.__slots__})


def discard_media(store: Store, media: Media) -> None:
    """Delete a recording that came with a request which is done with it, unless a job took it."""
    with store.database.write() as connection:
        if rows.claimed(connection, media.id):
            return
        rows.delete(connection, [media.id])
    store.blobs.delete(media.blob)


def _current(row: sa.RowMapping | None, name: str) -> Media:
    if row is None or (row["expires_at"] is not None and row["expires_at"] <= time.time()):
        raise NotFound(f"There is no recording {name!r}.")
    return Media(**row)

"""Uploads in parts: they can be sent again, at once, and in any order."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import sqlalchemy as sa

from earmark.errors import Conflict, InvalidInput, InvalidOption, MediaTooLarge, NotFound
from earmark.service._idempotency import done_before, earlier
from earmark.service._intake import Intake, IntakeWriter, check_room, stored_text
from earmark.service._media import add_media
from earmark.service._model import Caller, Idempotency, Media, Scope
from earmark.service._store import Store
from earmark.storage import media as media_rows
from earmark.storage import uploads as rows

__all__ = ["MAX_PARTS", "PART_BYTES", "Part", "PartWriter", "Upload", "Uploads"]

PART_BYTES = 8 << 20
"""Size of a part when the client names none and the upload is not too large for it."""

MAX_PARTS = 10_000

_TIME_S = 24 * 3600.0
_DIALECT = "native"  # no other has uploads in parts
_AT_ONCE = 100
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part that has come: ``number`` from 1, ``size`` in bytes, ``sha256`` in hex."""

    number: int
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """An upload as it stands; sizes in bytes, every part but the last has ``part_size``.

    ``media_id`` is set when it is complete; the parts are then forgotten.
    """

    id: str
    name: str | None
    size: int
    part_size: int
    sha256: str | None
    received: tuple[Part, ...]
    created_at: float
    expires_at: float
    media_id: str | None

    @property
    def parts_total(self) -> int:
        """How many parts there are in all."""
        return -(-self.size // self.part_size)

    def part_bytes(self, number: int) -> int:
        """Size of one part."""
        return min(self.part_size, self.size - (number - 1) * self.part_size)


PartWriter: TypeAlias = IntakeWriter[Part]


class Uploads:
    """Uploads of all tenants; one that is not the caller's is as if it were not there.

    All methods raise `Forbidden` without the scope, and `NotFound` for an upload that is unknown,
    expired (24 hours after its start) or not the caller's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self,
        caller: Caller,
        *,
        size: int,
        name: str | None = None,
        sha256: str | None = None,
        part_size: int | None = None,
        idempotency: Idempotency | None = None,
    ) -> Upload:
        """Begin an upload of ``size`` bytes; ``sha256`` (hex), if given, is checked at the end.

        Raises `MediaTooLarge`, `InvalidOption`, `IdempotencyConflict`, and `DiskFull` when it
        would not fit.
        """
        caller.require(Scope.JOBS)
        limit = self._store.settings.max_upload_bytes
        if size > limit:
            raise MediaTooLarge(
                f"The recording has {size} bytes, and {limit} are accepted.",
                size=size,
                limit=limit,
            )
        if size < 1:
            raise InvalidOption(f"An upload has 1 byte at least, and not {size}.")
        upload_id, now = str(uuid.uuid4()), time.time()
        values = {
            "id": upload_id,
            "tenant_id": caller.tenant_id,
            "name": stored_text(name),
            "size": size,
            "part_size": _part_size(size, part_size),
            "sha256": _sha256(sha256),
            "created_at": now,
            "expires_at": now + _TIME_S,
        }
        with self._store.database.write() as connection:
            known = earlier(connection, caller.tenant_id, idempotency, upload_id)
            if known is None:
                check_room(self._store, size)
                rows.insert(connection, values)
            return _upload(connection, caller, known or upload_id)

    def get(self, caller: Caller, upload_id: str) -> Upload:
        """The upload as it stands: a client that was interrupted sends what is missing."""
        caller.require(Scope.JOBS)
        with self._store.database.read() as connection:
            return _upload(connection, caller, upload_id)

    def part(
        self, caller: Caller, upload_id: str, number: int, sha256: str | None = None
    ) -> PartWriter:
        """Begin a part, which `PartWriter.commit` returns; it replaces one that came before.

        Raises `InvalidOption` for a number that is none of its parts, `Conflict` when the upload
        is complete, `DiskFull`. The writer raises `MediaTooLarge` for more bytes than the part
        has; its ``commit`` `InvalidInput` for fewer, or others than ``sha256`` (hex) says.
        """
        upload = self.get(caller, upload_id)
        if not 1 <= number <= upload.parts_total:
            raise InvalidOption(
                f"The upload {upload_id!r} has the parts 1 to {upload.parts_total}, and not"
                f" {number}."
            )
        _require_open(upload)
        promised = _sha256(sha256)
        size = upload.part_bytes(number)

        def finish(intake: Intake) -> Part:
            if intake.size != size:
                raise InvalidInput(
                    f"Part {number} came with {intake.size} of its {size} bytes: send it again."
                )
            _check_sha256(f"Part {number}", promised, intake.sha256)
            intake.commit()
            part = Part(number=number, size=size, sha256=intake.sha256)
            self._note_part(caller, upload_id, part, intake.path)
            return part

        intake = Intake(
            self._store,
            f"uploads/{upload_id}/{number}-{uuid.uuid4().hex}",
            what=f"Part {number}",
            limit=size,
            announced=size,
        )
        return IntakeWriter(intake, finish)

    def complete(
        self, caller: Caller, upload_id: str, *, idempotency: Idempotency | None = None
    ) -> Media:
        """Put the parts together; the recording. Again, it is the same one.

        Raises `Conflict` when parts are missing, `InvalidInput` when the whole is not what its
        SHA-256 says, `NotFound` also when the recording has been deleted since, `DiskFull` when
        there is no room for the parts and the whole, `IdempotencyConflict`. After an error it may
        be tried again.
        """
        caller.require(Scope.JOBS)
        with self._store.database.write() as connection:
            known = _completed(connection, caller, upload_id, idempotency)
            if known is not None:
                return known
            upload = _upload(connection, caller, upload_id)
            blobs = _blobs(connection, upload_id)
        _require_all(upload)
        media = self._put_together(caller, upload, blobs, idempotency)
        if media is not None:
            return media
        with self._store.database.write() as connection:
            known = _completed(connection, caller, upload_id, idempotency)
            if known is None:
                raise Conflict(
                    f"Parts of the upload {upload_id!r} came again while it was put together:"
                    " complete it again."
                )
            return known

    def abort(self, caller: Caller, upload_id: str) -> None:
        """Give the upload up, with all its parts. Raises `Conflict` when it is complete."""
        caller.require(Scope.JOBS)
        with self._store.database.write() as connection:
            _require_open(_upload(connection, caller, upload_id, lock=True))
            blobs = _blobs(connection, upload_id)
            rows.delete(connection, [upload_id])
        self._store.blobs.delete(*blobs)

    def sweep(self, now: float) -> int:
        """Delete uploads that are over their time at ``now``; how many."""
        swept = 0
        while True:
            with self._store.database.write() as connection:
                found = rows.expired(connection, now, _AT_ONCE)
                blobs = _blobs(connection, *found)
                rows.delete(connection, found)
            self._store.blobs.delete(*blobs)
            swept += len(found)
            if len(found) < _AT_ONCE:
                return swept

    def _note_part(self, caller: Caller, upload_id: str, part: Part, blob: str) -> None:
        with self._store.database.write() as connection:
            _require_open(_upload(connection, caller, upload_id, lock=True))
            replaced = rows.put_part(
                connection,
                {
                    "upload_id": upload_id,
                    "number": part.number,
                    "size": part.size,
                    "sha256": part.sha256,
                    "blob": blob,
                },
            )
        if replaced is not None:
            self._store.blobs.delete(replaced)

    def _put_together(
        self,
        caller: Caller,
        upload: Upload,
        blobs: Sequence[str],
        promise: Idempotency | None,
    ) -> Media | None:
        """The recording, or None when the parts are not these any more.

        They may have come again meanwhile, or a rival has completed the upload.
        """
        media_id = str(uuid.uuid4())
        intake = Intake(
            self._store,
            f"media/{caller.tenant_id}/{media_id}",
            what="The recording",
            limit=upload.size,
            announced=upload.size,
        )
        try:
            for blob in blobs:
                for piece in self._store.blobs.stream(blob):
                    intake.write(piece)
            _check_sha256("The recording", upload.sha256, intake.sha256)
            intake.commit()
        except NotFound:
            return None
        finally:
            intake.abort()  # does nothing once committed
        media = Media(
            id=media_id,
            tenant_id=caller.tenant_id,
            dialect=_DIALECT,
            key=None,
            name=upload.name,
            blob=intake.path,
            size=intake.size,
            sha256=intake.sha256,
            owned=False,
            created_at=time.time(),
            expires_at=None,
        )
        with self._store.database.write() as connection:
            now_it_is = _upload(connection, caller, upload.id, lock=True)
            same = now_it_is.media_id is None and blobs == _blobs(connection, upload.id)
            if same:
                earlier(connection, caller.tenant_id, promise, media.id)
                add_media(connection, media)
                rows.complete(connection, upload.id, media.id)
        self._store.blobs.delete(*(blobs if same else [media.blob]))
        return media if same else None


def _upload(
    connection: sa.Connection, caller: Caller, upload_id: str, *, lock: bool = False
) -> Upload:
    if lock:
        rows.lock(connection, upload_id, caller.tenant_id)
    # The parts first: one that is complete has none, and must not look like one that lacks all.
    # Only the caller's: a foreign upload with many would take longer than an unknown one.
    parts = rows.parts(connection, [upload_id], caller.tenant_id)
    row = rows.fetch(connection, upload_id, caller.tenant_id, now=time.time())
    if row is None:
        raise NotFound(f"There is no upload {upload_id!r}.")
    values = {name: row[name] for name in Upload.__slots__ if name != "received"}
    received = (
        Part(number=part["number"], size=part["size"], sha256=part["sha256"]) for part in parts
    )
    return Upload(**values, received=tuple(received))


def _completed(
    connection: sa.Connection, caller: Caller, upload_id: str, promise: Idempotency | None
) -> Media | None:
    """The recording that an earlier request has made; None: the upload, now locked, is open."""
    media_id = done_before(connection, caller.tenant_id, promise)
    if media_id is None:
        media_id = _upload(connection, caller, upload_id, lock=True).media_id
        if media_id is None:
            return None
        media_id = earlier(connection, caller.tenant_id, promise, media_id) or media_id
    return _media(connection, media_id)


def _blobs(connection: sa.Connection, *upload_ids: str) -> list[str]:
    return [part["blob"] for part in rows.parts(connection, upload_ids)]


def _media(connection: sa.Connection, media_id: str) -> Media:
    row = media_rows.fetch(connection, media_id)
    if row is None:
        raise NotFound("The recording that was uploaded has been deleted: upload it again.")
    return Media(**row)


def _part_size(size: int, asked: int | None) -> int:
    least = -(-size // MAX_PARTS)
    if asked is None:
        return min(size, max(PART_BYTES, least))
    if asked < least:
        raise InvalidOption(
            f"Parts of {asked} bytes make more than {MAX_PARTS} of them: {least} bytes are the"
            " least here."
        )
    return min(size, asked)


def _sha256(given: str | None) -> str | None:
    if given is not None and not _SHA256.fullmatch(given.lower()):
        raise InvalidOption(f"{given!r} is no SHA-256: give its 64 hexadecimal digits.")
    return None if given is None else given.lower()


def _check_sha256(what: str, promised: str | None, found: str) -> None:
    if promised is not None and promised != found:
        raise InvalidInput(
            f"{what} has the SHA-256 {found} and should have {promised}: send it again."
        )


def _require_open(upload: Upload) -> None:
    if upload.media_id is not None:
        raise Conflict(f"The upload {upload.id!r} is complete: nothing about it can be changed.")


def _require_all(upload: Upload) -> None:
    missing = upload.parts_total - len(upload.received)
    if missing:
        come = {part.number for part in upload.received}
        first = next(n for n in range(1, upload.parts_total + 1) if n not in come)
        raise Conflict(
            f"{missing} of the {upload.parts_total} parts are missing, the first is {first}:"
            " send them, then complete the upload."
        )

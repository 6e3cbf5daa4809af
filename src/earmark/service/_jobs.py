"""Jobs as those who asked for them see them: submit, look, fetch the result, cancel, delete."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator, Collection
from dataclasses import replace

import sqlalchemy as sa

from earmark.errors import Draining, InvalidOption, JobFinished, JobNotFinished, NotFound
from earmark.service._addresses import AddressRules
from earmark.service._delivery import new_webhook_secret, note_delivery
from earmark.service._idempotency import earlier
from earmark.service._intake import check_room
from earmark.service._model import (
    Caller,
    Idempotency,
    Job,
    JobKind,
    JobOptions,
    JobState,
    Page,
    Scope,
    Submission,
    Submitted,
)
from earmark.service._rows import job_of, options_row
from earmark.service._store import Store
from earmark.service._watch import Watch
from earmark.storage import jobs as rows
from earmark.storage import media as media_rows
from earmark.storage import webhooks as webhook_rows

__all__ = ["Jobs", "throw_away"]

_log = logging.getLogger(__name__)

_OF_VOICES = (JobKind.IDENTIFY, JobKind.VOICEPRINT, JobKind.SPEAKER_SEARCH)


class Jobs:
    """The jobs of all tenants; every method sees only the caller's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rules = AddressRules.of(store.settings)
        self._draining = threading.Event()
        self._watch = Watch(store, self._draining.is_set)
        self.submitted = threading.Event()
        """Set whenever a job was submitted in this process: a worker need not wait to look."""

    @property
    def draining(self) -> bool:
        """Whether no more jobs are taken."""
        return self._draining.is_set()

    def drain(self) -> None:
        """Take no more jobs."""
        self._draining.set()

    def submit(
        self, caller: Caller, submission: Submission, *, idempotency: Idempotency | None = None
    ) -> Submitted:
        """Note a job durably: once this returns, it will be run.

        Raises `Forbidden` without the scope, `AddressForbidden` or `InvalidOption` for addresses
        that will not be connected to, `NotFound` when the recording was deleted meanwhile,
        `IdempotencyConflict`, `Draining`, and what the database raises.
        """
        caller.require(Scope.JOBS)
        if self._draining.is_set():
            raise Draining("The server is shutting down: send the request again in a moment.")
        _check_source(submission)
        if submission.options.identify is not None and submission.options.identify.galleries:
            caller.require(Scope.GALLERIES)
        for url in (submission.url, submission.webhook):
            if url is not None:
                self._rules.check_url(url)
        job_id, now = str(uuid.uuid4()), time.time()
        if submission.sealed is not None:
            self._seal(caller, job_id, submission.sealed)
        with self._store.database.write() as connection:
            known = earlier(connection, caller.tenant_id, idempotency, job_id)
            if known is None:
                check_room(self._store, 0)
                media = submission.media
                if media is not None and not media_rows.hold(connection, media.id):
                    raise NotFound(f"There is no recording {media.key or media.id!r}.")
                rows.insert(connection, self._row(connection, caller, submission, job_id, now))
            row = rows.fetch(connection, known or job_id, tenant_id=caller.tenant_id)
        if row is None:
            raise _unknown(known or job_id)
        if known is not None and submission.sealed is not None:
            self._store.blobs.delete(_request_blob(caller, job_id))
            self._store.vault.forget(job_id)
        self.submitted.set()
        if known is None:
            _log.info("The job %s (%s) is taken.", job_id, submission.kind)
        return Submitted(job=job_of(row), replayed=known is not None)

    def get(
        self,
        caller: Caller,
        job_id: str,
        *,
        dialect: str | None = None,
        kind: JobKind | None = None,
    ) -> Job:
        """One job. Raises `NotFound` for an unknown id and for any that is not the caller's."""
        caller.require(Scope.JOBS)
        with self._store.database.read() as connection:
            row = rows.fetch(connection, job_id, **_same(caller, dialect, kind))
        if row is None:
            raise _unknown(job_id)
        return job_of(row)

    def list(
        self,
        caller: Caller,
        *,
        states: Collection[JobState] | None = None,
        kinds: Collection[JobKind] | None = None,
        dialect: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        offset: int = 0,
    ) -> Page[Job]:
        """The caller's jobs, newest first. Raises `InvalidOption` for a cursor that is none."""
        caller.require(Scope.JOBS)
        before = None if cursor is None else _read_cursor(cursor)
        with self._store.database.read() as connection:
            found = rows.listing(
                connection,
                tenant_id=caller.tenant_id,
                states=states,
                kinds=kinds,
                dialect=dialect,
                before=before,
                limit=limit + 1,
                offset=offset,
            )
            total = rows.count(
                connection, tenant_id=caller.tenant_id, states=states, kinds=kinds, dialect=dialect
            )
        more = len(found) > limit
        found = found[:limit]
        return Page(
            items=tuple(job_of(row) for row in found),
            cursor=_write_cursor(found[-1]["seq"]) if more else None,
            total=total,
        )

    def document(self, job: Job) -> bytes:
        """The result document (JSON) of a job that succeeded; of others raises `JobNotFinished`."""
        if job.result_blob is None:
            raise JobNotFinished(
                f"The job {job.id} is {job.state.value} and has no result"
                + (": ask again when it has succeeded." if not job.state.over else ".")
            )
        document = self._store.blobs.get(job.result_blob)
        if job.result_sealed:
            document = self._store.vault.open(job.id, document, purpose="result")
        return document

    def cancel(
        self,
        caller: Caller,
        job_id: str,
        *,
        dialect: str | None = None,
        idempotency: Idempotency | None = None,
    ) -> Job:
        """Stop a job, queued or running. Twice is fine.

        Raises `JobFinished` when it was over, and `IdempotencyConflict`.
        """
        caller.require(Scope.JOBS)
        now = time.time()
        with self._store.database.write() as connection:
            row = rows.fetch(connection, job_id, **_same(caller, dialect, None))
            if row is None:
                raise _unknown(job_id)
            if earlier(connection, caller.tenant_id, idempotency, job_id) is not None:
                return job_of(row)
            state = JobState(row["state"])
            stopped = not state.over and rows.update(
                connection,
                job_id,
                {"state": JobState.CANCELED, "finished_at": now, "updated_at": now},
                state=state,
            )
            if stopped:
                note_delivery(connection, row, JobState.CANCELED, now)
            row = rows.fetch(connection, job_id)
            if row is None:
                raise _unknown(job_id)
            if row["state"] != JobState.CANCELED:
                raise JobFinished(
                    f"The job {job_id} has {row['state']}: there is nothing to cancel."
                )
        if stopped:
            _log.info("The job %s was canceled.", job_id)
        return job_of(row)

    def delete(self, caller: Caller, job_id: str) -> None:
        """Remove a job with its result; one that is running is stopped.

        A recording that came with the job is removed by the next sweep.
        """
        caller.require(Scope.JOBS)
        with self._store.database.write() as connection:
            row = rows.fetch(connection, job_id, tenant_id=caller.tenant_id)
            if row is None:
                raise _unknown(job_id)
            rows.delete(connection, [job_id])
        throw_away(self._store, [row])

    async def watch(self, caller: Caller, job_id: str) -> AsyncIterator[Job]:
        """The job as it is, then whenever it changed, until it is over or the service drains.

        Ends too when the job is deleted or the caller's key revoked. Raises `NotFound` as `get`.
        """
        job = await asyncio.to_thread(self.get, caller, job_id)
        yield job
        async for changed in self._watch.follow(caller, job):
            yield changed

    def _seal(self, caller: Caller, job_id: str, sent: bytes) -> None:
        sealed = self._store.vault.seal(job_id, sent, purpose="request")
        self._store.blobs.put(_request_blob(caller, job_id), sealed)

    def _row(
        self,
        connection: sa.Connection,
        caller: Caller,
        submission: Submission,
        job_id: str,
        now: float,
    ) -> dict[str, object]:
        webhook_id = None
        if submission.webhook is not None:
            webhook_id = webhook_rows.ensure(
                connection,
                tenant_id=caller.tenant_id,
                dialect=submission.dialect,
                url=submission.webhook,
                new_secret=new_webhook_secret,
                now=now,
            )
        return {
            "id": job_id,
            "tenant_id": caller.tenant_id,
            "dialect": submission.dialect,
            "kind": submission.kind,
            "state": JobState.QUEUED,
            "stage": "queued",
            "priority": submission.priority,
            "options": options_row(_with_voiceprints(submission)),
            "render": dict(submission.render),
            "media_id": submission.media.id if submission.media else None,
            "url": submission.url,
            "fetched": submission.url is None,
            "name": submission.name or (submission.media.name if submission.media else None),
            "webhook_id": webhook_id,
            "created_at": now,
            "updated_at": now,
            "retention_s": submission.retention_s,
            "sealed_blob": None if submission.sealed is None else _request_blob(caller, job_id),
            "call_id": submission.call_id,
            "key_id": caller.key_id,
        }


def throw_away(store: Store, gone: Collection[rows.Row]) -> None:
    """Delete what belonged to jobs that are no more: their data keys, results and requests.

    The blobs go after their rows: a crash in between leaves orphans, which are swept, and no
    broken results. The data keys go before the blobs, which may be away.
    """
    names = ("result_blob", "sealed_blob")
    store.vault.forget(*(row["id"] for row in gone if _has_data_key(row)))
    store.blobs.delete(*(row[name] for row in gone for name in names if row[name] is not None))


def _has_data_key(row: rows.Row) -> bool:
    """Whether anything of the job may have been sealed."""
    return bool(
        row["sealed_blob"] is not None
        or row["result_sealed"]
        or row["options"].get("searchable")
        or row["kind"] in (JobKind.VOICEPRINT, JobKind.SPEAKER_SEARCH)
    )


def _check_source(submission: Submission) -> None:
    given = sum(x is not None for x in (submission.media, submission.url, submission.call_id))
    if submission.kind is JobKind.COMPARE:
        if given or submission.sealed is None:
            raise InvalidOption("A comparison takes voiceprints, and no recording.")
    elif submission.kind is JobKind.GENDER and submission.sealed is not None:
        if given:
            raise InvalidOption("Send voiceprints or a recording, not both.")
    elif given != 1 or (submission.kind is JobKind.SPEAKER_SEARCH) != (
        submission.call_id is not None
    ):
        raise InvalidOption("A job needs one recording: an upload or an address.")


def _with_voiceprints(submission: Submission) -> JobOptions:
    """The options; what is asked for may need voiceprints without saying so."""
    options = submission.options
    needed = options.searchable or submission.kind in _OF_VOICES
    return replace(options, voiceprints=True) if needed else options


def _request_blob(caller: Caller, job_id: str) -> str:
    return f"requests/{caller.tenant_id}/{job_id}"


def _same(caller: Caller, dialect: str | None, kind: JobKind | None) -> dict[str, object]:
    same: dict[str, object] = {"tenant_id": caller.tenant_id}
    if dialect is not None:
        same["dialect"] = dialect
    if kind is not None:
        same["kind"] = kind
    return same


def _unknown(job_id: str) -> NotFound:
    return NotFound(f"There is no job {job_id!r}.")


def _write_cursor(seq: int) -> str:
    return base64.urlsafe_b64encode(seq.to_bytes(8, "big")).decode().rstrip("=")


def _read_cursor(cursor: str) -> int:
    try:
        raw = base64.b64decode(cursor + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    seq = int.from_bytes(raw, "big")
    if len(raw) != 8 or seq >= 1 << 63:  # as far as the database counts
        raise InvalidOption(f"{cursor!r} is no cursor: take it from the page before.")
    return seq

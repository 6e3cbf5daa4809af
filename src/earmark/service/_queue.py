"""Jobs as those who run them see them: take one, tell how it goes, end it.

A job is run by the executor that its row names. Every change here is made only while that still
holds, so a job ends once even when two executors should run it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from earmark.errors import NotFound
from earmark.service._delivery import note_delivery
from earmark.service._model import Job, JobError, JobKind, JobState, Media
from earmark.service._rows import job_of
from earmark.service._search_events import note_failure
from earmark.service._store import Store
from earmark.storage import calls, job_voiceprints
from earmark.storage import jobs as rows
from earmark.storage import media as media_rows

__all__ = ["Queue"]

_log = logging.getLogger(__name__)


class Queue:
    """The jobs of all tenants, for the executors."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(
        self, executor_id: str, *, fetched: bool | None = None, busy_tenants: Collection[str] = ()
    ) -> Job | None:
        """Begin the job whose turn it is, if one is waiting; see `storage.jobs.claim`."""
        with self._store.database.write() as connection:
            row = rows.claim(
                connection,
                executor_id,
                fetched=fetched,
                busy_tenants=busy_tenants,
                now=time.time(),
            )
        return None if row is None else job_of(row)

    def take(self, job_id: str, executor_id: str) -> Job | None:
        """Run a running job from now on, whoever did before; None when it is over or gone."""
        now = time.time()
        again = sa.case((rows.columns.executor_id == executor_id, 0), else_=1)
        with self._store.database.write() as connection:
            taken = rows.update(
                connection,
                job_id,
                {
                    "executor_id": executor_id,
                    "attempts": rows.columns.attempts + again,
                    "updated_at": now,
                },
                state=JobState.RUNNING,
            )
            row = rows.fetch(connection, job_id) if taken else None
        return None if row is None else job_of(row)

    def running(self, executor_id: str, job_ids: Collection[str]) -> set[str]:
        """Which of these jobs are (still) this executor's to run."""
        with self._store.database.read() as connection:
            found = rows.fetch_many(connection, job_ids)
        return {row["id"] for row in found if _runs(row, executor_id)}

    def report(self, job_id: str, executor_id: str, stage: str, percent: int) -> bool:
        """Tell how far a job is; percentages never fall. False: it is no longer ours to run."""
        known = rows.columns.progress
        progress = sa.case((known < percent, percent), else_=known)
        return self._change(
            job_id, executor_id, {"stage": stage, "progress": progress, "updated_at": time.time()}
        )

    def crashed(self, job_id: str) -> int:
        """Note that the job made a process die; how often it has done so."""
        with self._store.database.write() as connection:
            rows.update(connection, job_id, {"crashes": rows.columns.crashes + 1})
            row = rows.fetch(connection, job_id)
        return 0 if row is None else int(row["crashes"])

    def attempts(self, job_id: str) -> int:
        """How often the job was begun or taken over, and not let go of in good order."""
        with self._store.database.read() as connection:
            row = rows.fetch(connection, job_id)
        return 0 if row is None else int(row["attempts"])

    def put_off(
        self, job_id: str, executor_id: str, delay_s: float, *, heard: int | None = None
    ) -> bool:
        """Back into the queue, for whoever is next once ``delay_s`` seconds have passed.

        ``heard`` is how many pieces of sound of its call the job has heard: if there are more, or
        the call has ended, or the job was told what its voice is meanwhile, it is its turn at once.
        """
        now = time.time()
        values = {
            "state": JobState.QUEUED,
            "stage": "queued",
            "executor_id": None,
            "attempts": rows.columns.attempts - 1,  # only those count that came to no end
            "not_before": now + delay_s,
            "updated_at": now,
        }
        with self._store.database.write() as connection:
            ours = {"state": JobState.RUNNING, "executor_id": executor_id}
            done = rows.update(connection, job_id, values, **ours)
            # With the row in hand: who brings sound either has come before, and is seen here, or
            # waits for the row, and wakes the job.
            row = rows.fetch(connection, job_id) if done and heard is not None else None
            if row is not None and (
                calls.heard_more(connection, row["call_id"], heard or 0)
                or job_voiceprints.of_job(connection, job_id, now=now) is not None
            ):
                rows.update(connection, job_id, {"not_before": 0.0})
        return done

    def recording(self, media_id: str | None) -> Media:
        """The recording of a job. Raises `NotFound` when it was deleted."""
        with self._store.database.read() as connection:
            row = None if media_id is None else media_rows.fetch(connection, media_id)
        if row is None:
            raise NotFound("The recording was deleted before the job could be run.")
        return Media(**row)

    def fetched(self, job_id: str, executor_id: str, media_id: str) -> bool:
        """Note the recording that was fetched from the job's address."""
        return self._change(job_id, executor_id, {"media_id": media_id, "fetched": True})

    def known(self, tenant_id: str, cache_key: str) -> Job | None:
        """A job of the tenant that has answered the same question and still has its result."""
        with self._store.database.read() as connection:
            row = rows.known_result(connection, tenant_id, cache_key)
        return None if row is None else job_of(row)

    def succeed(
        self,
        job_id: str,
        executor_id: str,
        *,
        result_blob: str,
        audio_s: float,
        timings: Mapping[str, float],
        cache_key: str | None = None,
        sealed: bool = False,
    ) -> bool:
        """End a job with its result, and note the webhook's delivery. False: not ours to end."""
        return self._finish(
            job_id,
            executor_id,
            JobState.SUCCEEDED,
            {
                "progress": 100,
                "result_blob": result_blob,
                "audio_s": audio_s,
                "timings": dict(timings),
                "cache_key": cache_key,
                "result_sealed": sealed,
            },
        )

    def fail(self, job_id: str, executor_id: str, error: JobError) -> bool:
        """End a job with an error, and note the webhook's delivery. False: not ours to end."""
        return self._finish(
            job_id,
            executor_id,
            JobState.FAILED,
            {
                "error_kind": error.kind,
                "error_code": error.code,
                "error_message": error.message,
            },
        )

    def _finish(
        self, job_id: str, executor_id: str, state: JobState, values: dict[str, Any]
    ) -> bool:
        now = time.time()
        with self._store.database.write() as connection:
            ended = rows.update(
                connection,
                job_id,
                {**values, "state": state, "stage": "done", "finished_at": now, "updated_at": now},
                state=JobState.RUNNING,
                executor_id=executor_id,
            )
            row = rows.fetch(connection, job_id) if ended else None
            if row is not None:
                note_delivery(connection, row, state, now)
                if (state, row["kind"]) == (JobState.FAILED, JobKind.SPEAKER_SEARCH):
                    note_failure(connection, self._store.settings, job_of(row), now)
        if row is not None:
            code = f" ({row['error_code']})" if row["error_code"] else ""
            _log.info(
                "The job %s has %s%s, %.1f s after it came.",
                job_id,
                state,
                code,
                now - row["created_at"],
            )
        return ended

    def _change(self, job_id: str, executor_id: str, values: Mapping[str, Any]) -> bool:
        with self._store.database.write() as connection:
            return rows.update(
                connection, job_id, values, state=JobState.RUNNING, executor_id=executor_id
            )


def _runs(row: sa.RowMapping, executor_id: str) -> bool:
    return bool(row["state"] == JobState.RUNNING and row["executor_id"] == executor_id)

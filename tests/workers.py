"""Jobs, and real ``earmark worker`` processes that run them, which tests may kill."""

from __future__ import annotations

import io
import itertools
import wave
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import sqlalchemy as sa

from callers import new_caller
from earmark.service import Caller, Job, JobKind, JobOptions, JobState, Service, Submission
from earmark.settings import Settings
from earmark.storage import executors
from earmark.storage import jobs as rows
from earmark.storage._schema import deliveries, jobs
from server import Server, started
from waiting import until

__all__ = ["Works", "engines_of", "open_works", "sound"]

HOOK = "http://127.0.0.1:9/"  # nobody listens there: deliveries stay to be counted


class Works:
    """An installation with jobs to do: submits them, looks at them, starts workers for them."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self.settings = settings
        self.service = Service.open(settings)
        stack.callback(self.service.close)
        self.caller = new_caller(self.service.store)
        self._stack = stack

    def worker(self, **settings: str) -> Server:
        """A worker process, started and not waited for."""
        known = {
            "EARMARK_ALLOW_HTTP": "1",
            "EARMARK_ALLOW_ADDRESSES": "127.0.0.1",
            "EARMARK_WORKER_TIMEOUT_S": str(self.settings.worker_timeout_s),
        }
        if self.settings.database_url is not None:
            known["EARMARK_DATABASE_URL"] = self.settings.database_url.get_secret_value()
        given = {f"EARMARK_{name.upper()}": value for name, value in settings.items()}
        return self._stack.enter_context(
            started(self.settings.data_dir, command="worker", settings=known | given)
        )

    def submit(
        self,
        recording: bytes | str,
        *,
        caller: Caller | None = None,
        kind: JobKind = JobKind.DIARIZE,
        options: JobOptions | None = None,
        name: str | None = "call.wav",
        webhook: str | None = HOOK,
    ) -> str:
        """Submit a recording, or the address of one; the job's id."""
        caller = caller or self.caller
        media = None
        if isinstance(recording, bytes):
            with self.service.media.writer(
                caller, dialect="native", name=name, owned=True
            ) as writer:
                writer.write(recording)
                media = writer.commit()
        submission = Submission(
            dialect="native",
            kind=kind,
            options=options or JobOptions(),
            media=media,
            url=recording if isinstance(recording, str) else None,
            name=name,
            webhook=webhook,
        )
        return self.service.jobs.submit(caller, submission).job.id

    def job(self, job_id: str) -> Job:
        return self.service.jobs.get(self.caller, job_id)

    def row(self, job_id: str) -> sa.RowMapping:
        """The job's row, with what a `Job` does not tell."""
        with self.service.store.database.read() as connection:
            row = rows.fetch(connection, job_id)
        assert row is not None
        return row

    def wait(self, *job_ids: str, within_s: float = 120.0) -> list[Job]:
        """Wait until these jobs are over."""
        until(
            lambda: all(self.job(each).state.over for each in job_ids),
            within_s=within_s,
            what=f"the end of {len(job_ids)} jobs",
        )
        return [self.job(each) for each in job_ids]

    def wait_for_stage(self, job_id: str, stage: str, percent: int = 0) -> None:
        def there() -> bool:
            job = self.job(job_id)
            assert not job.state.over, f"the job is {job.state} already: {job.error}"
            return job.stage == stage and job.progress >= percent

        until(there, what=f"the stage {stage} of a job")

    def delivered(self) -> list[tuple[str, str]]:
        """The job and the event of every webhook delivery that was noted."""
        with self.service.store.database.read() as connection:
            found = connection.execute(sa.select(deliveries.c.job_id, deliveries.c.event))
            return [(row.job_id, row.event) for row in found]

    def executors(self) -> dict[str, int]:
        """Who counts as a worker, and the ids of their processes."""
        with self.service.store.database.read() as connection:
            return {row["id"]: row["pid"] for row in executors.listing(connection)}

    def living(self, pids: Collection[int]) -> bool:
        """Whether all these processes have signed in as workers."""
        return set(pids) <= set(self.executors().values())

    def runner(self, job_id: str) -> int | None:
        """The process that runs a job."""
        return self.executors().get(self.row(job_id)["executor_id"])

    def unfinished(self) -> int:
        """How many jobs are not over."""
        query = (
            sa.select(sa.func.count())
            .select_from(jobs)
            .where(jobs.c.state.in_([JobState.QUEUED, JobState.RUNNING]))
        )
        with self.service.store.database.read() as connection:
            return connection.scalar(query) or 0

    def results(self) -> list[str]:
        """The paths of all stored results."""
        return [blob.path for blob in self.service.store.blobs.list("results")]

    def durable(self, query: str) -> list[Any]:
        """What DBOS knows: the first column of a query on its database; {} is its schema."""
        database = self.service.store.database
        if not database.embedded:
            with database.read() as connection:
                return list(connection.scalars(sa.text(query.format("dbos."))))
        engine = sa.create_engine(f"sqlite:///{self.settings.data_dir / 'dbos.db'}")
        try:
            with engine.connect() as connection:
                return list(connection.scalars(sa.text(query.format(""))))
        finally:
            engine.dispose()


@contextmanager
def open_works(data_dir: Path, database_url: str | None = None, **settings: Any) -> Iterator[Works]:
    """An installation without workers; those that a test starts are killed in the end."""
    known: Mapping[str, Any] = {
        "data_dir": data_dir,
        "database_url": database_url,
        "allow_http": True,
        "allow_addresses": ("127.0.0.1",),
        "reserve_bytes": 0,
        "worker_slots": 1,
        "worker_timeout_s": 1.0,
    }
    with ExitStack() as stack:
        yield Works(Settings(**{**known, **settings}), stack)


_numbers = itertools.count(1)


def sound(recording: Path, seconds: float) -> bytes:
    """So much of a recording, again and again where it is too short, as a WAV like no other."""
    with wave.open(str(recording)) as file:
        parameters = file.getparams()
        samples = np.frombuffer(file.readframes(parameters.nframes), "<i2")
    cut = np.resize(samples, int(seconds * parameters.framerate)).copy()
    cut[:8] = np.frombuffer(next(_numbers).to_bytes(16, "little"), "<i2")
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams(parameters)
        file.writeframes(cut.tobytes())
    return written.getvalue()


def engines_of(worker: int) -> list[psutil.Process]:
    """The engine processes of a worker process."""
    found = []
    for process in psutil.Process(worker).children():
        try:
            if "earmark.service._engine_process" in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found

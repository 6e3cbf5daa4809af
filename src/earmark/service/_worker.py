"""A worker: takes jobs from the queue, and over from workers that died, and has them run."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait

import sqlalchemy as sa
from dbos import error as dbos_error

from earmark.errors import DiskFull, EarmarkError, Unavailable
from earmark.service._durable import Durable
from earmark.service._engines import Engines, slots_of
from earmark.service._executors import Executor
from earmark.service._model import JobState
from earmark.service._observe import Observer
from earmark.service._queue import Queue
from earmark.service._service import Service
from earmark.service._workflow import Run, Workflow
from earmark.storage import jobs as rows

__all__ = ["Worker"]

_log = logging.getLogger(__name__)

_POLL_S = 0.25
_WATCH_S = 0.5  # how often it is asked whether the jobs at hand are still to be run
_TIDY_S = 60.0
_LAST_S = 3.0  # of the grace, a quarter at most: kept for handing back what has not finished
_LONGEST_PAUSE_S = 15.0

# Recordings fetched at once: they need no engine, and a host that is slow keeps nobody waiting.
_FETCHERS = 16
_FETCHERS_PER_TENANT = 4


class Worker:
    """Runs jobs in this process, which can have one worker.

    ``observer`` hears of every job that ends here.
    """

    def __init__(self, service: Service, observer: Observer | None = None) -> None:
        self._service = service
        self._queue = Queue(service.store)
        self._executor = Executor(service.store)
        self._engines = Engines(service.settings)
        self._runs: dict[str, Run] = {}
        workflow = Workflow(service, self._executor.id, self._runs, observer or Observer())
        self._durable = Durable(service.store, self._executor.id, workflow)
        self._slots = slots_of(service.settings)
        self._pool = ThreadPoolExecutor(self._slots + _FETCHERS, "earmark-job")
        self._futures: set[Future[None]] = set()
        self._wake = service.jobs.submitted
        self._claiming = True
        self._taking = threading.Lock()  # held from a job's row being taken until it is at hand
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="earmark-worker", daemon=True)

    @property
    def busy(self) -> int:
        """How many jobs are at hand."""
        return len(self._runs)

    def start(self) -> None:
        """Load the models, then begin to take jobs.

        Raises `Unavailable` when the models or the database cannot be had, `DiskFull`.
        """
        self._engines.start()
        try:
            self._executor.start()
            self._durable.launch()
        except BaseException:
            self._engines.close()
            raise
        self._thread.start()

    def check(self) -> None:
        """Raise `Unavailable` unless jobs are being taken."""
        if not self._claiming or not self._thread.is_alive():
            raise Unavailable("The worker takes no jobs.")

    def drain(self, grace_s: float) -> None:
        """Take no more jobs; end when those at hand have, or hand them back to be in time."""
        deadline = time.monotonic() + grace_s
        self._claiming = False
        self._wake.set()
        if self._taking.acquire(timeout=1.0):  # the database may be away
            self._taking.release()
        wait(list(self._futures), timeout=grace_s - min(_LAST_S, grace_s / 4))
        for run in list(self._runs.values()):
            run.stop()
        left = max(1.0, deadline - time.monotonic())
        wait(list(self._futures), timeout=left)
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(1.0)  # it may be waiting for a database that is away
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._engines.close()
        try:
            self._executor.stop()
        except (Unavailable, DiskFull) as error:
            _log.warning("The worker cannot sign off, others will find out: %s", error)
        self._durable.destroy()

    def _loop(self) -> None:
        pause, watch_at, adopt_at, tidy_at = 0.0, 0.0, 0.0, time.monotonic() + _TIDY_S
        while not self._stopping.is_set():
            self._wake.wait(pause or _POLL_S)
            self._wake.clear()
            now = time.monotonic()
            try:
                if now >= watch_at:
                    self._let_go()
                    watch_at = now + _WATCH_S
                if now >= adopt_at:
                    self._adopt()
                    adopt_at = now + self._service.settings.worker_timeout_s / 8
                if now >= tidy_at:
                    self._tidy()
                    tidy_at = now + _TIDY_S
                while self._claim():
                    pass
            except (Unavailable, DiskFull, sa.exc.SQLAlchemyError) as error:
                if not pause:
                    _log.warning("The queue cannot be read and is tried again: %s", error)
                pause = min(max(2 * pause, 0.5), _LONGEST_PAUSE_S)
            else:
                pause = 0.0

    def _let_go(self) -> None:
        """Stop what was canceled, deleted or taken over meanwhile."""
        runs = dict(self._runs)
        if runs:
            for job_id in runs.keys() - self._queue.running(self._executor.id, list(runs)):
                if not runs[job_id].ending:
                    runs[job_id].stop()

    def _claim(self) -> bool:
        """Begin two jobs, one that is to be fetched first; whether there was any."""
        with self._taking:
            return self._claiming and self._claim_both()

    def _claim_both(self) -> bool:
        claimed = False
        if self._free_slots() > 0:
            job = self._queue.claim(self._executor.id, fetched=True)
            if job is not None:
                self._begin(job.id, job.tenant_id, fetches=False)
                claimed = True
        fetching = Counter(run.tenant_id for run in list(self._runs.values()) if run.fetches)
        if fetching.total() < _FETCHERS:
            busy = [key for key, count in fetching.items() if count >= _FETCHERS_PER_TENANT]
            job = self._queue.claim(self._executor.id, fetched=False, busy_tenants=busy)
            if job is not None:
                self._begin(job.id, job.tenant_id, fetches=True)
                claimed = True
        return claimed

    def _free_slots(self) -> int:
        return self._slots - sum(not run.fetches for run in list(self._runs.values()))

    def _adopt(self) -> None:
        free = self._free_slots()
        if free <= 0:
            return
        with self._taking:
            if not self._claiming:
                return
            adopted = self._executor.adopt(free, list(self._runs))
            with self._service.store.database.read() as connection:
                found = rows.fetch_many(connection, adopted)
            for row in found:
                _log.warning("The job %s is taken over.", row["id"])
                self._begin(row["id"], row["tenant_id"], fetches=not row["fetched"])

    def _tidy(self) -> None:
        """Remove what DBOS knows of jobs that are over: their own workers may have died."""
        settled = self._durable.settled()
        with self._service.store.database.read() as connection:
            going = {
                row["id"]
                for row in rows.fetch_many(connection, settled)
                if not JobState(row["state"]).over
            }
        self._durable.forget([job_id for job_id in settled if job_id not in going])
        self._durable.forget_queues(self._executor.known())

    def _begin(self, job_id: str, tenant_id: str, *, fetches: bool) -> None:
        run = Run(job_id=job_id, tenant_id=tenant_id, fetches=fetches, engines=self._engines)
        self._runs[job_id] = run
        future = self._pool.submit(self._run, run)
        self._futures.add(future)
        future.add_done_callback(self._ended)

    def _run(self, run: Run) -> None:
        try:
            self._durable.run(run.job_id, run.stopped.is_set)
        except (dbos_error.DBOSException, EarmarkError, sa.exc.SQLAlchemyError) as error:
            _log.warning("The job %s could not be run now: %s", run.job_id, error)
        finally:
            run.ending = True
            try:
                self._settle(run)
            finally:
                del self._runs[run.job_id]
                if run.engine is not None:
                    self._engines.give_back(run.engine)

    def _settle(self, run: Run) -> None:
        """Leave nothing of the run behind, and the job in the queue unless it has ended."""
        with self._service.store.database.read() as connection:
            row = rows.fetch(connection, run.job_id)
        ours = row is not None and row["executor_id"] == self._executor.id
        if ours or row is None or row["state"] != JobState.RUNNING:
            self._durable.forget([run.job_id])
        if ours and run.again_s is not None:
            self._queue.put_off(run.job_id, self._executor.id, run.again_s, heard=run.heard)

    def _ended(self, future: Future[None]) -> None:
        self._futures.discard(future)
        self._wake.set()
        if not future.cancelled() and (error := future.exception()) is not None:
            _log.error("A job ended in disorder and is tried again.", exc_info=error)

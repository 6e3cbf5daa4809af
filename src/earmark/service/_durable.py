"""DBOS: a job is a workflow of steps, and a step that is finished is not done again.

The workflow's id is the job's. Its rows are there only while the job runs: the jobs themselves
tell what is over. Whoever takes over a job resumes its workflow on a queue of DBOS that only this
process listens to, so that a job runs where it was taken.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection
from contextlib import closing, nullcontext
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos import error as dbos_error
from filelock import FileLock

from earmark.errors import StorageUnavailable
from earmark.service._store import Store
from earmark.storage import private_file

__all__ = ["Durable", "Outcome", "step"]

_VERSION = "1"  # of the steps: a worker resumes only workflows of its own version
_POLL_S = 0.25
_SETTLED_S = 60.0
_GOING = ("PENDING", "ENQUEUED")

Outcome = dict[str, Any]
"""What a step came to; small, and JSON."""


def step(name: str, act: Callable[[], Outcome]) -> Outcome:
    """Do this step of the workflow that runs on this thread, or tell what it came to before."""
    return DBOS.run_step({"name": name}, act)


class Durable:
    """DBOS in this process, which can have it once, with ``body`` as its only workflow."""

    def __init__(self, store: Store, executor_id: str, body: Callable[[str], None]) -> None:
        self._store = store
        self._executor_id = executor_id
        self._queue = _queue_of(executor_id)
        self._body = body
        self._left: dict[str, threading.Event] = {}  # of bodies that are to begin: set at the end
        self._lost: set[str] = set()  # jobs whose workflows were found to be another's

    def launch(self) -> None:
        """Connect, make the tables where there are none, and begin to listen.

        Raises `StorageUnavailable` when the database does not answer.
        """
        settings, database = self._store.settings, self._store.database
        path = settings.data_dir / "dbos.db"
        url = f"sqlite:///{path}"
        if not database.embedded:
            url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        DBOS(
            config=DBOSConfig(
                name="earmark",
                system_database_url=url,
                application_version=_VERSION,
                executor_id=self._executor_id,
                enable_otlp=False,
                log_level="WARNING",
                use_listen_notify=False,
            )
        )
        # Its lines go where all others go.
        log = logging.getLogger("dbos")
        log.handlers.clear()
        log.propagate = True
        body = self._body

        @DBOS.workflow(name="job")
        def run(job_id: str) -> None:
            left = self._left.pop(job_id, None)
            try:
                body(job_id)
            except dbos_error.DBOSWorkflowConflictIDError:
                self._lost.add(job_id)
                raise  # DBOS waits for what the other one comes to
            finally:
                if left is not None:
                    left.set()

        self._workflow = run
        DBOS.listen_queues([self._queue])
        lock = FileLock(f"{path}.lock") if database.embedded else nullcontext()
        try:
            with lock:
                if database.embedded:
                    private_file(path)
                    # Once set, this stays with the file: readers do not wait for writers then.
                    with closing(sqlite3.connect(path, timeout=30)) as connection:
                        connection.execute("PRAGMA journal_mode=WAL")
                DBOS.launch()
            DBOS.register_queue(self._queue, polling_interval_sec=_POLL_S)
        except (sa.exc.SQLAlchemyError, sqlite3.Error, dbos_error.DBOSException) as error:
            DBOS.destroy(destroy_registry=True)
            raise StorageUnavailable(
                f"The database of running jobs does not answer ({type(error).__name__})."
            ) from error

    def run(self, job_id: str, gone: Callable[[], bool]) -> None:
        """Run the workflow of a job, from its start or from where it was left, to its end.

        Or until another executor has it, for its end may be far away, or ``gone`` says before it
        begins that it is no longer to be had here.
        """
        status = DBOS.get_workflow_status(job_id)
        if status is not None and status.status not in _GOING:
            self.forget([job_id])
            status = None
        left = self._left[job_id] = threading.Event()
        try:
            if status is not None:
                DBOS.resume_workflow(job_id, queue_name=self._queue)
                if self._ends_here(job_id, left, gone):
                    self._wait(job_id)
                return
            with SetWorkflowID(job_id):
                handle = DBOS.start_workflow(self._workflow, job_id)
            if self._ends_here(job_id, left, gone):
                handle.get_result()
        finally:
            self._left.pop(job_id, None)
            self._lost.discard(job_id)

    def _ends_here(self, job_id: str, left: threading.Event, gone: Callable[[], bool]) -> bool:
        """Wait for the body; whether what it came to is what the workflow comes to."""
        while not left.wait(_POLL_S):
            if gone() and job_id in self._left:  # it has not begun
                return False
        return job_id not in self._lost

    def _wait(self, job_id: str) -> None:
        """Until the workflow's end is noted."""
        while (status := DBOS.get_workflow_status(job_id)) and status.status in _GOING:
            time.sleep(_POLL_S)

    def forget(self, job_ids: list[str]) -> None:
        """Remove what is known of these workflows."""
        DBOS.delete_workflows(job_ids)

    def settled(self) -> list[str]:
        """The jobs whose workflows have not moved for a while."""
        before = (time.time() - _SETTLED_S) * 1000
        found = DBOS.list_workflows(load_input=False, load_output=False, limit=1000)
        return [each.workflow_id for each in found if (each.updated_at or 0) < before]

    def forget_queues(self, executors: Collection[str]) -> None:
        """Remove the queues of all but these executors."""
        kept = {_queue_of(executor_id) for executor_id in executors}
        for queue in DBOS.list_queues():
            if queue.name not in kept:
                DBOS.delete_queue(queue.name)

    def destroy(self) -> None:
        """Let go of the database; what still runs here comes to nothing."""
        DBOS.destroy(destroy_registry=True)


def _queue_of(executor_id: str) -> str:
    return f"earmark-{executor_id}"

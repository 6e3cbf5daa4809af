"""Who counts as alive, and who gets the jobs of the dead; on both databases."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from callers import new_caller
from earmark.service import Store
from earmark.service._executors import Executor
from earmark.settings import Settings
from earmark.storage import Database, executors
from earmark.storage import jobs as rows
from stores import store_on
from waiting import until


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Store:
    settings = Settings(data_dir=tmp_path, worker_timeout_s=1.0)
    return store_on(database, settings)


def running(store: Store, executor_id: str | None) -> str:
    """A job that this executor runs."""
    job_id = str(uuid.uuid4())
    tenant_id = new_caller(store, job_id).tenant_id
    with store.database.write() as connection:
        rows.insert(
            connection,
            {
                "id": job_id,
                "tenant_id": tenant_id,
                "dialect": "native",
                "kind": "diarize",
                "state": "running",
                "stage": "analysing",
                "fetched": True,
                "options": {},
                "render": {},
                "created_at": 0.0,
                "updated_at": 0.0,
                "executor_id": executor_id,
                "attempts": 1,
            },
        )
    return job_id


def someone_else(store: Store, **columns: object) -> str:
    """An executor on another machine that has just given a sign of life."""
    executor_id = str(uuid.uuid4())
    known = {"place": "elsewhere", "pid": 1, "pid_started": "1", "started_at": 0.0}
    with store.database.write() as connection:
        executors.beat(connection, {"id": executor_id, "beat_at": time.time(), **known, **columns})
    return executor_id


def test_only_jobs_that_nobody_runs_are_adopted(store: Store) -> None:
    me = Executor(store)
    me.beat()
    other = someone_else(store)
    theirs, mine = running(store, other), running(store, me.id)
    nobody_s, ghost_s = running(store, None), running(store, str(uuid.uuid4()))
    assert me.adopt(10, [mine]) == [nobody_s, ghost_s]
    assert me.adopt(10, [mine, nobody_s, ghost_s]) == []
    with store.database.read() as connection:
        assert rows.fetch(connection, theirs, executor_id=other)
        taken = rows.fetch(connection, ghost_s, executor_id=me.id)
    assert taken is not None
    assert taken["attempts"] == 2


def test_a_job_of_its_own_that_it_does_not_run_is_adopted_too(store: Store) -> None:
    me = Executor(store)
    me.beat()
    lost = running(store, me.id)
    assert me.adopt(10, []) == [lost]


def test_no_more_are_adopted_than_asked_for(store: Store) -> None:
    me = Executor(store)
    me.beat()
    jobs = [running(store, None) for _ in range(3)]
    assert me.adopt(2, []) == jobs[:2]
    assert me.adopt(2, jobs[:2]) == jobs[2:]


def test_who_stands_still_is_dead_and_is_forgotten_once_its_jobs_are_taken(store: Store) -> None:
    me = Executor(store)
    me.beat()
    other = someone_else(store, beat_at=time.time() + 3600)  # its clock is not ours
    jobs = [running(store, other) for _ in range(2)]
    assert me.adopt(10, []) == []

    def taken() -> bool:
        me.beat()
        return me.adopt(1, []) == jobs[:1]

    until(taken, what="the other one to be dead")
    assert other in me.known()
    assert me.adopt(10, jobs[:1]) == jobs[1:]
    assert me.known() == {me.id}


def test_who_gives_signs_of_life_is_not_dead(store: Store) -> None:
    me = Executor(store)
    me.beat()
    other = someone_else(store)
    running(store, other)
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        with store.database.write() as connection:
            executors.beat(connection, {"id": other, "beat_at": time.time()})
        me.beat()
        assert me.adopt(10, []) == []


def test_a_process_that_is_gone_from_this_machine_is_dead_at_once(store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        place = Executor(store)._place
        there = someone_else(store, place=place, pid=process.pid, pid_started=started(process.pid))
        job_id = running(store, there)
        me = Executor(store)
        me.beat()
        assert me.adopt(10, []) == []
        process.kill()
    me.beat()
    assert me.adopt(10, []) == [job_id]


def test_another_process_with_the_same_id_is_not_the_one_that_is_gone(store: Store) -> None:
    there = someone_else(store, place=Executor(store)._place, pid=os.getpid(), pid_started="1")
    job_id = running(store, there)
    me = Executor(store)
    me.beat()
    assert me.adopt(10, []) == [job_id]


def test_two_do_not_adopt_the_same(store: Store) -> None:
    first, second = Executor(store), Executor(store)
    first.beat()
    second.beat()
    jobs = [running(store, None) for _ in range(4)]
    taken = first.adopt(3, [])
    assert taken + second.adopt(3, []) == jobs


def test_who_was_forgotten_by_mistake_signs_in_again(store: Store) -> None:
    me = Executor(store)
    me.beat()
    with store.database.write() as connection:
        executors.remove(connection, me.id)
    me.beat()
    assert me.known() == {me.id}


def test_one_that_stops_leaves_its_row_only_with_its_jobs(store: Store) -> None:
    first, second = Executor(store), Executor(store)
    first.start()
    second.start()
    running(store, first.id)
    first.stop()
    second.stop()
    assert first.known() == {first.id}


def started(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[19]

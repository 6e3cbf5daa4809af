"""Two workers on one database: one is killed with -9 and never comes back, the other goes on."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from earmark.service import JobState
from earmark.storage import jobs as rows
from postgres import mostly
from raw_server import RawServer, serve
from server import Server
from waiting import until
from workers import Works, engines_of, open_works, sound


@pytest.fixture
def works(database_url: str, tmp_path: Path, models_dir: Path) -> Iterator[Works]:
    with open_works(tmp_path / "data", database_url) as opened:
        yield opened


def assert_done_once(works: Works, *job_ids: str) -> None:
    """Every job has succeeded, with one result, and its end was told once."""
    ended = works.wait(*job_ids)
    assert [job.state for job in ended] == [JobState.SUCCEEDED] * len(job_ids), ended
    assert sorted(works.delivered()) == sorted((each, "job.succeeded") for each in job_ids)
    assert {job.result_blob for job in ended} <= set(works.results())


def runner(works: Works, job_id: str, *workers: Server) -> tuple[Server, Server]:
    """Of two workers the one that runs a job, and the other."""
    pid = works.runner(job_id)
    first, second = sorted(workers, key=lambda worker: worker.process.pid != pid)
    assert first.process.pid == pid
    return first, second


def two_workers(works: Works) -> tuple[Server, Server]:
    """Two workers that are both there."""
    pair = works.worker(), works.worker()
    until(lambda: works.living([each.process.pid for each in pair]), what="two workers")
    return pair


@mostly("sqlite")
def test_killed_while_fetching(works: Works, sample_wav: Path) -> None:
    recording = sound(sample_wav, 5)
    begun = []

    def respond(connection: socket.socket, server: RawServer) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(recording))
        begun.append(time.monotonic())
        if len(begun) == 1:
            connection.sendall(recording[:1000])
            server.stopped.wait(60)
        connection.sendall(recording)

    with serve(respond) as server:
        pair = two_workers(works)
        job_id = works.submit(server.url("/call.wav"))
        until(lambda: begun, what="a request for the recording")
        first, _ = runner(works, job_id, *pair)
        first.kill()
        assert_done_once(works, job_id)
    assert len(server.requests) == 2


def test_killed_while_analysing(works: Works, sample_wav: Path) -> None:
    recording = sound(sample_wav, 300)
    body = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(recording) + recording
    with serve(body) as server:
        pair = two_workers(works)
        job_id = works.submit(server.url("/call.wav"))
        works.wait_for_stage(job_id, "analysing", 10)
        first, _ = runner(works, job_id, *pair)
        engines = engines_of(first.process.pid)
        first.kill()
        assert_done_once(works, job_id)
        gone, alive = psutil.wait_procs(engines, timeout=10)
    assert gone
    assert not alive, "an engine outlived its worker"
    assert len(server.requests) == 1, "the recording was fetched again"
    assert works.row(job_id)["attempts"] == 2


@mostly("postgresql")
def test_killed_while_storing(works: Works, sample_wav: Path) -> None:
    results = works.settings.data_dir / "blobs" / "results"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text("no folder: nothing can be stored here now")
    pair = two_workers(works)
    job_id = works.submit(sound(sample_wav, 5))
    works.wait_for_stage(job_id, "storing")
    first, _ = runner(works, job_id, *pair)
    first.kill()
    results.unlink()
    assert_done_once(works, job_id)


@mostly("postgresql")
def test_what_was_analysed_before_the_end_was_noted_is_not_analysed_again(
    works: Works, sample_wav: Path
) -> None:
    results = works.settings.data_dir / "blobs" / "results"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text("no folder: nothing can be stored here now")
    pair = two_workers(works)
    job_id = works.submit(sound(sample_wav, 5))
    works.wait_for_stage(job_id, "storing")
    first, _ = runner(works, job_id, *pair)
    with works.service.store.database.write() as connection:
        rows.update(connection, job_id, {"stage": "storing"})  # and nobody else may, meanwhile
        results.unlink()
        until(
            lambda: works.durable(
                "SELECT 1 FROM {}operation_outputs WHERE function_name='analyse'"
            ),
            what="the step to be noted",
        )
        first.kill()
    stored = works.results()
    assert_done_once(works, job_id)
    assert stored == [works.job(job_id).result_blob]


@mostly("postgresql")
def test_a_worker_that_was_only_slow_does_no_harm(works: Works, sample_wav: Path) -> None:
    pair = two_workers(works)
    job_id = works.submit(sound(sample_wav, 300))
    works.wait_for_stage(job_id, "analysing", 10)
    slow, other = runner(works, job_id, *pair)
    stopped = [psutil.Process(slow.process.pid), *engines_of(slow.process.pid)]
    for process in stopped:
        process.suspend()
    until(lambda: works.runner(job_id) == other.process.pid, what="the other one to take over")
    for process in stopped:
        process.resume()
    assert_done_once(works, job_id)
    more = [works.submit(sound(sample_wav, 3)) for _ in range(4)]
    ended = works.wait(*more)
    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    assert slow.process.poll() is None
    assert len(works.executors()) == 2


@mostly("sqlite")
def test_a_recording_that_worker_after_worker_dies_of_is_given_up(
    works: Works, sample_wav: Path
) -> None:
    job_id = works.submit(sound(sample_wav, 300))
    pair = two_workers(works)
    works.wait_for_stage(job_id, "analysing", 5)
    with works.service.store.database.write() as connection:
        rows.update(connection, job_id, {"attempts": 10})  # as if nine had died
    first, _ = runner(works, job_id, *pair)
    first.kill()
    (job,) = works.wait(job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "job.poisoned"


@mostly("sqlite")
def test_what_is_over_leaves_nothing_with_dbos(works: Works, sample_wav: Path) -> None:
    works.worker()
    ids = [works.submit(sound(sample_wav, 3)), works.submit(b"no sound at all")]
    works.wait(*ids)
    until(
        lambda: not works.durable("SELECT workflow_uuid FROM {}workflow_status"),
        what="the workflows to be forgotten",
    )
    assert not works.durable("SELECT workflow_uuid FROM {}operation_outputs")

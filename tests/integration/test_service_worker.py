"""What a worker makes of jobs that are canceled, deadly, wrong, or short of storage."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from callers import new_caller
from earmark.diarization import Diarization, SpeechActivity
from earmark.errors import Unavailable
from earmark.service import JobKind, JobOptions, JobState, Worker
from postgres import Postgres
from raw_server import RawServer, serve
from waiting import until
from workers import Works, engines_of, open_works, sound


@pytest.fixture
def works(tmp_path: Path, models_dir: Path) -> Iterator[Works]:
    with open_works(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def worker(works: Works) -> Iterator[Worker]:
    """A worker in this process."""
    made = Worker(works.service)
    made.start()
    yield made
    made.drain(5.0)


def test_a_job_from_its_submission_to_its_result(
    works: Works, worker: Worker, sample_wav: Path
) -> None:
    worker.check()
    job_id = works.submit(sample_wav.read_bytes(), name="Monday.wav")
    (job,) = works.wait(job_id)
    assert job.state is JobState.SUCCEEDED
    assert (job.stage, job.progress, job.audio_s) == ("done", 100, 30.0)
    assert {"analysing", "storing"} <= job.timings.keys()
    result = Diarization.from_json(works.service.jobs.document(job).decode())
    assert (result.uri, len(result.speakers)) == ("Monday", 2)
    assert works.delivered() == [(job_id, "job.succeeded")]


def test_engines_outlive_the_jobs_that_end(works: Works, worker: Worker, sample_wav: Path) -> None:
    def engines() -> set[int]:
        return {engine.pid for engine in engines_of(os.getpid())}

    first = engines()
    recordings = [sound(sample_wav, 5 + i / 10) for i in range(12)]
    works.wait(*(works.submit(recording) for recording in recordings))
    until(lambda: not worker.busy, what="the worker to come to rest")
    assert engines() == first


def test_voice_activity(works: Works, worker: Worker, sample_wav: Path) -> None:
    job_id = works.submit(sample_wav.read_bytes(), kind=JobKind.VOICE_ACTIVITY)
    (job,) = works.wait(job_id)
    found = SpeechActivity.from_json(works.service.jobs.document(job).decode())
    assert found.duration == 30.0


def test_what_was_answered_before_is_answered_at_once(
    works: Works, worker: Worker, sample_wav: Path
) -> None:
    recording = sound(sample_wav, 60)
    first, other = works.submit(recording), works.submit(recording, options=JobOptions(speakers=1))
    works.wait(first, other)
    again = works.submit(recording)
    one, two, three = works.wait(first, other, again)
    documents = [works.service.jobs.document(job) for job in (one, two, three)]
    assert documents[0] == documents[2] != documents[1]
    assert three.timings["analysing"] < one.timings["analysing"] / 2
    works.service.jobs.delete(works.caller, first)
    assert works.service.jobs.document(three) == documents[0]


@pytest.mark.parametrize(
    ("recording", "code"),
    [(b"this is no sound", "audio.unsupported"), (b"RIFF", "audio.unsupported")],
)
def test_what_is_wrong_with_a_recording_is_said(
    works: Works, worker: Worker, recording: bytes, code: str
) -> None:
    job_id = works.submit(recording)
    (job,) = works.wait(job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == code
    assert works.delivered() == [(job_id, "job.failed")]


def test_what_is_wrong_with_an_address_is_said(works: Works, worker: Worker) -> None:
    with serve(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as server:
        (job,) = works.wait(works.submit(server.url("/call.wav")))
    assert job.error is not None
    assert job.error.code == "fetch.failed"
    assert len(server.requests) == 1


def test_an_address_that_fails_for_a_moment_is_asked_again(
    works: Works, worker: Worker, sample_wav: Path
) -> None:
    recording = sound(sample_wav, 3)

    def respond(connection: object, server: object) -> None:
        busy = len(requests()) == 1
        status = b"503 Busy" if busy else b"200 OK"
        body = b"" if busy else recording
        head = b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)  # type: ignore[attr-defined]

    def requests() -> list[bytes]:
        return server.requests

    with serve(respond) as server:
        (job,) = works.wait(works.submit(server.url("/call.wav")))
    assert job.state is JobState.SUCCEEDED
    assert len(server.requests) == 2
    assert job.timings["fetching"] > 0


def test_a_host_that_is_slow_keeps_nobody_waiting(
    works: Works, worker: Worker, sample_wav: Path
) -> None:
    def respond(connection: socket.socket, server: RawServer) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        server.drip(connection, b"x")

    with serve(respond) as server:
        slow = [works.submit(server.url(f"/{i}.wav")) for i in range(6)]
        until(lambda: len(server.requests) == 4, what="as many fetches as a tenant may have")
        (job,) = works.wait(works.submit(sound(sample_wav, 3)))
        other = new_caller(works.service.store, "other")
        theirs = works.submit(server.url("/other.wav"), caller=other)
        until(lambda: len(server.requests) == 5, what="another tenant's fetch")
        assert job.state is JobState.SUCCEEDED
        for job_id in slow:
            assert works.service.jobs.cancel(works.caller, job_id).state is JobState.CANCELED
        works.service.jobs.cancel(other, theirs)
        until(lambda: not worker.busy, what="the fetches to be given up")
    assert len(server.requests) == 5


@pytest.mark.parametrize("victim", ["engine", "decoder"])
def test_a_recording_that_kills_twice_is_given_up_and_the_queue_goes_on(
    works: Works, sample_wav: Path, victim: str
) -> None:
    server = works.worker()
    poison = works.submit(sound(sample_wav, 1200))
    harmless = works.submit(sound(sample_wav, 3))

    def struck() -> bool:
        if works.job(poison).stage == "analysing":
            for engine in engines_of(server.process.pid):
                strike(engine, victim)
        return works.job(poison).state.over

    until(struck, what="two deaths")
    first, second = works.wait(poison, harmless)
    assert first.state is JobState.FAILED
    assert first.error is not None
    assert first.error.code == "job.poisoned"
    assert second.state is JobState.SUCCEEDED
    assert works.row(poison)["crashes"] == 2
    assert server.process.poll() is None


def strike(engine: psutil.Process, victim: str) -> None:
    """Kill the engine, or what decodes for it."""
    try:
        if victim == "engine":
            engine.send_signal(signal.SIGSEGV)
        for forker in engine.children() if victim == "decoder" else []:
            for decoder in forker.children():
                decoder.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return


def test_a_running_job_that_is_canceled_makes_room_for_the_next(
    works: Works, worker: Worker, sample_wav: Path
) -> None:
    long = works.submit(sound(sample_wav, 3600))
    works.wait_for_stage(long, "analysing")
    short = works.submit(sound(sample_wav, 3))
    works.service.jobs.cancel(works.caller, long)
    (job,) = works.wait(short, within_s=30)
    assert job.state is JobState.SUCCEEDED
    assert works.job(long).state is JobState.CANCELED
    assert works.row(long)["crashes"] == 0


def test_a_running_job_that_is_deleted_is_let_go_of(
    works: Works, worker: Worker, sample_wav: Path
) -> None:
    long = works.submit(sound(sample_wav, 3600))
    works.wait_for_stage(long, "analysing")
    works.service.jobs.delete(works.caller, long)
    (job,) = works.wait(works.submit(sound(sample_wav, 3)), within_s=30)
    assert job.state is JobState.SUCCEEDED


def test_draining_hands_back_what_does_not_end_in_time(works: Works, sample_wav: Path) -> None:
    worker = Worker(works.service)
    worker.start()
    long = works.submit(sound(sample_wav, 3600))
    works.wait_for_stage(long, "analysing")
    worker.drain(4.0)
    row = works.row(long)
    assert (row["state"], row["executor_id"]) == (JobState.QUEUED, None)
    assert row["crashes"] == 0
    assert works.executors() == {}
    assert not engines_of(psutil.Process().pid)
    assert not works.durable("SELECT workflow_uuid FROM {}workflow_status")
    with pytest.raises(Unavailable):
        worker.check()


def test_draining_lets_short_jobs_end(works: Works, sample_wav: Path) -> None:
    worker = Worker(works.service)
    worker.start()
    job_id = works.submit(sound(sample_wav, 20))
    until(lambda: works.job(job_id).state is not JobState.QUEUED, what="the job to begin")
    worker.drain(60.0)
    assert works.job(job_id).state is JobState.SUCCEEDED


@pytest.mark.parametrize("folder", ["blobs", "blobs/results"])
def test_a_blob_store_that_is_away_puts_jobs_off(
    works: Works, sample_wav: Path, folder: str
) -> None:
    job_id = works.submit(sound(sample_wav, 3))
    place = works.settings.data_dir / folder
    away = place.with_name("away")
    if place.exists():
        place.rename(away)
    place.write_text("no folder")
    worker = Worker(works.service)
    worker.start()
    try:
        until(lambda: works.row(job_id)["not_before"] > 0, what="the job to be put off")
        place.unlink()
        if away.exists():
            away.rename(place)
        (job,) = works.wait(job_id)
    finally:
        worker.drain(5.0)
    assert job.state is JobState.SUCCEEDED
    assert works.row(job_id)["attempts"] == 1


def test_a_database_that_goes_away_takes_nothing_with_it(
    postgres: Postgres, postgres_url: str, tmp_path: Path, sample_wav: Path
) -> None:
    with open_works(tmp_path / "data", postgres_url) as works:
        server = works.worker()
        job_id = works.submit(sound(sample_wav, 300))
        works.wait_for_stage(job_id, "analysing", 5)
        postgres.stop()
        try:
            until(lambda: "does not answer" in server.log, what="the outage to be noticed")
        finally:
            postgres.start()
        (job,) = works.wait(job_id)
        assert job.state is JobState.SUCCEEDED
        (later,) = works.wait(works.submit(sound(sample_wav, 3)))
        assert later.state is JobState.SUCCEEDED
        assert server.process.poll() is None

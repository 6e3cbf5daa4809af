"""What is kept, for how long, and what is left of it after."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from earmark.errors import JobNotFinished, NotFound
from earmark.service import (
    Caller,
    Idempotency,
    Job,
    JobKind,
    JobState,
    Queue,
    Scope,
    Service,
    Submission,
)
from earmark.service._sweeper import Sweeper, sweep
from earmark.settings import Settings
from earmark.storage import Database
from earmark.storage._schema import tenants
from stores import store_on
from waiting import until

DAY = 24 * 3600.0


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    settings = Settings(data_dir=tmp_path)
    return Service(store_on(database, settings))


def caller_of(service: Service, retention_s: float | None = None) -> Caller:
    tenant_id = str(uuid.uuid4())
    with service.store.database.write() as connection:
        connection.execute(
            tenants.insert().values(
                id=tenant_id,
                name=tenant_id,
                created_at=0.0,
                webhook_secret="w",
                retention_s=retention_s,
            )
        )
    return Caller(tenant_id=tenant_id, key_id="EK1", scopes=frozenset({Scope.JOBS}))


def finished(
    service: Service, caller: Caller, *, retention_s: float | None = None, owned: bool = True
) -> Job:
    """A job that has succeeded, with its recording and its result in the blob store."""
    with service.media.writer(caller, dialect="native", owned=owned) as writer:
        writer.write(b"RIFF")
        media = writer.commit()
    job = service.jobs.submit(
        caller,
        Submission(dialect="native", kind=JobKind.DIARIZE, media=media, retention_s=retention_s),
    ).job
    queue = Queue(service.store)
    assert queue.claim("e") is not None
    path = f"results/{caller.tenant_id}/{job.id}"
    service.store.blobs.put(path, b"{}")
    assert queue.succeed(job.id, "e", result_blob=path, audio_s=1.0, timings={})
    return service.jobs.get(caller, job.id)


def end_of(job: Job) -> float:
    assert job.finished_at is not None
    return job.finished_at


def test_a_native_job_is_kept_until_it_is_deleted(service: Service) -> None:
    caller = caller_of(service)
    job = finished(service, caller)
    sweep(service, end_of(job) + 5000 * DAY)
    assert service.jobs.document(service.jobs.get(caller, job.id)) == b"{}"


def test_the_tenants_setting_ends_result_and_recording_and_leaves_a_note(service: Service) -> None:
    caller = caller_of(service, retention_s=DAY)
    job = finished(service, caller)
    sweep(service, end_of(job) + DAY - 1)
    assert service.jobs.document(service.jobs.get(caller, job.id)) == b"{}"

    sweep(service, end_of(job) + DAY)
    noted = service.jobs.get(caller, job.id)
    assert noted.state is JobState.EXPIRED
    with pytest.raises(JobNotFinished, match="expired"):
        service.jobs.document(service.jobs.get(caller, job.id))
    assert list(service.store.blobs.list("results")) == []
    assert job.media_id is not None
    with pytest.raises(NotFound):
        service.media.get(caller, job.media_id)

    sweep(service, end_of(job) + DAY + 31 * DAY)
    with pytest.raises(NotFound):
        service.jobs.get(caller, job.id)


def test_a_dialects_retention_leaves_nothing_to_be_seen(service: Service) -> None:
    caller = caller_of(service)
    job = finished(service, caller, retention_s=DAY)
    sweep(service, end_of(job) + DAY - 1)
    assert service.jobs.get(caller, job.id) == job
    sweep(service, end_of(job) + DAY)
    with pytest.raises(NotFound):
        service.jobs.get(caller, job.id)
    assert list(service.store.blobs.list("results")) == []


def test_a_recording_that_came_by_itself_outlives_the_job(service: Service) -> None:
    caller = caller_of(service)
    job = finished(service, caller, retention_s=DAY, owned=False)
    sweep(service, end_of(job) + DAY)
    assert job.media_id is not None
    assert service.media.get(caller, job.media_id).size == 4


def test_a_deleted_jobs_own_recording_goes_with_it(service: Service) -> None:
    caller = caller_of(service)
    job = finished(service, caller)
    service.jobs.delete(caller, job.id)
    sweep(service, end_of(job) + 3600)
    assert list(service.store.blobs.list("media")) == []


def test_jobs_that_are_not_over_are_never_swept(service: Service) -> None:
    caller = caller_of(service, retention_s=1.0)
    with service.media.writer(caller, dialect="native", owned=True) as writer:
        writer.write(b"RIFF")
        media = writer.commit()
    job = service.jobs.submit(
        caller,
        Submission(dialect="native", kind=JobKind.DIARIZE, media=media, retention_s=1.0),
    ).job
    sweep(service, job.created_at + 5000 * DAY)
    assert service.jobs.get(caller, job.id).state is JobState.QUEUED
    assert service.media.get(caller, media.id) == media


def test_an_idempotency_key_is_forgotten_after_a_week(service: Service) -> None:
    caller = caller_of(service)
    promise = Idempotency(key="k", fingerprint="f")
    wanted = Submission(
        dialect="native", kind=JobKind.DIARIZE, url="https://recordings.example.com/a.wav"
    )
    job = service.jobs.submit(caller, wanted, idempotency=promise).job
    sweep(service, job.created_at + 6 * DAY)
    assert service.jobs.submit(caller, wanted, idempotency=promise).replayed
    sweep(service, job.created_at + 8 * DAY)
    assert not service.jobs.submit(caller, wanted, idempotency=promise).replayed


def test_a_part_that_fails_keeps_no_other_from_being_swept(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caller = caller_of(service)
    with service.media.writer(caller, dialect="native", retention_s=0.0) as writer:
        writer.write(b"RIFF")
        media = writer.commit()
    with service.store.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE idempotency")

    def is_gone() -> bool:
        try:
            service.media.get(caller, media.id)
        except NotFound:
            return True
        return False

    sweeper = Sweeper(service)
    sweeper.start()
    try:
        until(is_gone, what="the recording to be swept")
    finally:
        sweeper.stop()
    assert "A part of the sweep failed" in caplog.text

"""Calls: opened, heard piece by piece, listened to by jobs, ended, forgotten."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callers import new_caller
from earmark.audio import Encoding, PcmFormat
from earmark.errors import (
    AudioTooLarge,
    Conflict,
    EmptyAudio,
    Forbidden,
    IdempotencyConflict,
    InvalidInput,
    MediaTooLarge,
    NotFound,
    UnsupportedAudio,
)
from earmark.service import (
    Call,
    Caller,
    Idempotency,
    JobKind,
    JobOptions,
    JobState,
    Leg,
    Queue,
    Scope,
    SearchOptions,
    Service,
    Submission,
)
from earmark.service._search_findings import IDENTIFICATION_S
from earmark.service._sweeper import sweep
from earmark.settings import Settings
from earmark.storage import Database, sweep_orphans
from earmark.storage import jobs as job_rows
from earmark.storage._schema import calls, deliveries, webhooks
from people import wav_of
from stores import store_on

PCM = PcmFormat(encoding=Encoding.PCM_S16LE, sample_rate=8000)
SECOND = bytes(16_000)
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what has nothing to do with the database."""


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return service_on(database, tmp_path)


def service_on(database: Database, tmp_path: Path, **settings: Any) -> Service:
    return Service(store_on(database, Settings(data_dir=tmp_path, reserve_bytes=0, **settings)))


class Line:
    """One call of a new tenant."""

    def __init__(self, service: Service, tenant: str = "acme") -> None:
        self.service = service
        self.caller = new_caller(service.store, tenant, Scope.JOBS, Scope.GALLERIES)
        self.connector = service.voice_connectors.create(
            self.caller, dialect="chime", name="desk", details={"region": "r"}
        ).id
        self.named = (self.caller, self.connector, "tx")
        self.call, self.new = service.calls.open(*self.named)

    def say(
        self,
        data: bytes = SECOND,
        form: PcmFormat | None = PCM,
        leg: Leg | None = Leg.CALLER,
        promise: Idempotency | None = None,
    ) -> Call:
        with self.service.calls.append(
            *self.named, leg=leg, sound_format=form, promise=lambda _: promise
        ) as writer:
            writer.write(data)
            return writer.commit()

    def job(self, leg: Leg = Leg.CALLER) -> str:
        """A job that listens to the call."""
        submission = Submission(
            dialect="chime",
            kind=JobKind.SPEAKER_SEARCH,
            call_id=self.call.id,
            options=JobOptions(search=SearchOptions(gallery_id="g", leg=leg)),
        )
        return self.service.jobs.submit(self.caller, submission).job.id

    def blobs(self) -> int:
        return len(list(self.service.store.blobs.list("calls")))


def test_a_call_is_opened_once(service: Service) -> None:
    line = Line(service)
    assert line.new
    assert service.calls.open(*line.named) == (line.call, False)
    assert line.call.sound_s == {Leg.CALLER: 0.0, Leg.CALLEE: 0.0}
    with pytest.raises(NotFound, match="voice connector"):
        service.calls.open(line.caller, "nowhere", "tx")
    for other in (Line(service, "other").caller, line.caller):
        named = (other, line.connector, "tx" if other is not line.caller else "ty")
        for act in (service.calls.get, service.calls.end):
            with pytest.raises(NotFound):
                act(*named)
    stranger = Caller(tenant_id=line.caller.tenant_id, key_id=None, scopes=frozenset({Scope.LIVE}))
    with pytest.raises(Forbidden):
        service.calls.open(stranger, line.connector, "tx")


@ONE_DATABASE
def test_sound_of_every_format_is_counted_by_leg(service: Service) -> None:
    line, second = Line(service), np.zeros(8000, np.int16)
    line.say()
    line.say(bytes(8000), PcmFormat(encoding=Encoding.MULAW, sample_rate=8000), Leg.CALLEE)
    line.say(wav_of(second), None)
    line.say(wav_of(np.stack([second, second], axis=1)), None, None)
    both = PcmFormat(encoding=Encoding.PCM_S16LE, sample_rate=8000, channels=2)
    call = line.say(bytes(32_000), both, None)
    assert call.sound_s == {Leg.CALLER: pytest.approx(4.0), Leg.CALLEE: pytest.approx(3.0)}
    assert call.pieces == 5
    assert call.heard_at > line.call.heard_at
    assert [len(service.calls.pieces(call, leg)) for leg in Leg] == [4, 3]


@ONE_DATABASE
def test_what_is_no_sound_is_refused_and_not_kept(service: Service) -> None:
    line, one_channel = Line(service), wav_of(np.zeros(8000, np.int16))
    with pytest.raises(UnsupportedAudio):
        line.say(b"words, not sound" * 100, None)
    with pytest.raises(InvalidInput, match="two channels"):
        line.say(one_channel, None, None)
    with pytest.raises(InvalidInput, match="whole samples"):
        line.say(bytes(3))
    with pytest.raises(EmptyAudio):
        line.say(b"")
    assert line.blobs() == 0
    assert service.calls.get(*line.named).pieces == 0


@ONE_DATABASE
def test_limits_hold_for_a_piece_and_for_a_call(database: Database, tmp_path: Path) -> None:
    service = service_on(database, tmp_path, max_upload_bytes=50_000, max_duration_s=2.5)
    line = Line(service)
    with pytest.raises(MediaTooLarge):
        line.say(bytes(50_002))
    line.say(2 * SECOND)
    with pytest.raises(AudioTooLarge, match="3 s of the caller: open another"):
        line.say()
    assert line.blobs() == 1
    assert line.say(leg=Leg.CALLEE).pieces == 2
    with pytest.raises(MediaTooLarge, match="50000 bytes at most"):
        line.say(leg=Leg.CALLEE)
    assert service.calls.get(*line.named).sound_s == {Leg.CALLER: 2.0, Leg.CALLEE: 1.0}


@ONE_DATABASE
def test_a_tenant_has_so_many_calls_open(database: Database, tmp_path: Path) -> None:
    service = service_on(database, tmp_path, max_open_calls=1)
    line = Line(service)
    Line(service, "globex")
    with pytest.raises(Conflict, match="EARMARK_MAX_OPEN_CALLS"):
        service.calls.open(line.caller, line.connector, "tx2")
    assert not service.calls.open(*line.named)[1]
    service.calls.end(*line.named)
    assert service.calls.open(line.caller, line.connector, "tx2")[1]


def test_a_piece_that_comes_twice_counts_once(service: Service) -> None:
    line, replays = Line(service), []
    promise = Idempotency(key="k", fingerprint="f", on_replay=lambda: replays.append(1))
    assert line.say(promise=promise).pieces == 1
    assert line.say(promise=promise).pieces == 1
    assert replays == [1]
    assert line.blobs() == 1
    with pytest.raises(IdempotencyConflict):
        line.say(promise=Idempotency(key="k", fingerprint="other"))


def test_a_call_ends_for_good(service: Service) -> None:
    line = Line(service)
    ended = service.calls.end(*line.named)
    assert ended.ended_at is not None
    assert service.calls.end(*line.named) == ended
    with pytest.raises(Conflict):
        service.calls.open(*line.named)
    with pytest.raises(Conflict):
        line.say()


def test_jobs_that_wait_are_woken_when_there_is_enough_sound(service: Service) -> None:
    line, queue = Line(service), Queue(service.store)
    waits, other = line.job(), line.job(Leg.CALLEE)

    def put_off() -> None:
        for _ in range(2):
            job = queue.claim("me")
            assert job is not None
            with service.store.database.write() as connection:
                found = {"look_at_s": IDENTIFICATION_S}
                job_rows.update(connection, job.id, {"findings": found})
            call = service.calls.get(*line.named)
            assert queue.put_off(job.id, "me", 600.0, heard=call.pieces)

    put_off()
    line.say(9 * SECOND)
    assert queue.claim("me") is None
    line.say()
    woken = queue.claim("me")
    assert woken is not None
    assert woken.id == waits
    assert queue.claim("me") is None
    assert queue.put_off(waits, "me", 600.0, heard=2)
    service.calls.end(*line.named)
    assert {job.id for job in (queue.claim("me"), queue.claim("me")) if job} == {waits, other}


def test_sound_that_comes_while_a_job_is_put_off_is_not_missed(service: Service) -> None:
    line, queue = Line(service), Queue(service.store)
    line.job()
    job = queue.claim("me")
    assert job is not None
    heard = service.calls.get(*line.named).pieces
    line.say(10 * SECOND)
    assert queue.put_off(job.id, "me", 600.0, heard=heard)
    assert queue.claim("me") is not None


def test_an_idle_call_ends_and_a_call_over_its_time_is_forgotten(
    service: Service, database: Database
) -> None:
    line, settings = Line(service), service.settings
    line.say()
    job = line.job()
    now = time.time()
    sweep(service, now + settings.call_idle_s - 60)
    assert service.calls.get(*line.named).ended_at is None
    sweep(service, now + settings.call_idle_s + 60)
    assert service.calls.get(*line.named).ended_at is not None

    later = now + settings.call_idle_s + settings.call_retention_s + 120
    sweep(service, later)
    assert line.blobs() == 1, "a job still has to listen to it"
    service.jobs.cancel(line.caller, job)
    sweep(service, later)
    assert line.blobs() == 0
    with pytest.raises(NotFound):
        service.calls.get(*line.named)
    assert service.calls.open(*line.named)[1], "the name may be used again"
    del database


@ONE_DATABASE
def test_a_silent_call_counts_as_ended_before_it_is_swept(
    service: Service, database: Database
) -> None:
    line = Line(service)
    with database.write() as connection:
        idle = time.time() - service.settings.call_idle_s - 1
        connection.execute(calls.update().values(heard_at=idle))
    assert service.calls.get(*line.named).ended_at is not None
    with pytest.raises(Conflict):
        line.say()


def test_orphans_are_swept_and_sound_that_is_in_use_is_not(service: Service) -> None:
    line = Line(service)
    line.say()
    service.store.blobs.put("calls/t/c/left-behind", b"sound")
    sweep_orphans(service.store.database, service.store.blobs, time.time() + 2 * 3600)
    assert line.blobs() == 1


def test_opening_a_call_is_told_to_every_address(database: Database, tmp_path: Path) -> None:
    urls = ("https://a.example.com/bus", "https://b.example.com/bus")
    service = service_on(database, tmp_path, chime_event_urls=urls)
    line = Line(service)
    service.calls.open(*line.named)
    with database.read() as connection:
        told = connection.execute(deliveries.select()).mappings().all()
        to = connection.execute(webhooks.select()).mappings().all()
    assert {each["url"] for each in to} == set(urls)
    assert [(each["event"], each["job_id"]) for each in told] == [("call.opened", line.call.id)] * 2
    assert told[0]["detail"]["transaction"] == "tx"


def test_a_call_that_is_forgotten_fails_the_job_that_comes_too_late(service: Service) -> None:
    line = Line(service)
    line.job()
    job = Queue(service.store).claim("me")
    assert job is not None
    with service.store.database.write() as connection:
        connection.execute(calls.delete())
    with pytest.raises(NotFound, match="not kept any more"):
        service.speaker_search.recording(job)
    assert service.jobs.get(line.caller, job.id).state is JobState.RUNNING

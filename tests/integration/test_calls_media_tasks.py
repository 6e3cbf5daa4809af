"""What tasks are told of a leg that is listened to while it comes, and what they do without."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from callers import new_caller
from earmark.audio import Encoding, PcmFormat
from earmark.errors import Conflict, InvalidOption
from earmark.service import (
    Call,
    Caller,
    Job,
    JobKind,
    JobOptions,
    Leg,
    Queue,
    Scope,
    SearchFindings,
    SearchOptions,
    Service,
    Submission,
)
from earmark.service._conclusion import NotYet
from earmark.service._heard import Heard
from earmark.settings import Settings
from earmark.storage import Database, job_voiceprints, jobs
from earmark.voiceprints import Voiceprint
from stores import store_on
from voices import a_voice

PCM = PcmFormat(encoding=Encoding.PCM_S16LE, sample_rate=8000)
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    settings = Settings(data_dir=tmp_path, reserve_bytes=0, consent="record")
    return Service(store_on(database, settings))


@dataclass
class Line:
    """A call, and a task that listens to its caller."""

    service: Service
    caller: Caller
    call: Call
    job_id: str

    @classmethod
    def of(cls, service: Service) -> Line:
        caller = new_caller(service.store, "acme", Scope.JOBS, Scope.GALLERIES)
        domain = service.galleries.create(caller, name="callers", dialect="chime").id
        connector = service.voice_connectors.create(
            caller, dialect="chime", name="desk", details={"region": "r"}
        ).id
        call, _ = service.calls.open(caller, connector, "tx")
        submission = Submission(
            dialect="chime",
            kind=JobKind.SPEAKER_SEARCH,
            call_id=call.id,
            options=JobOptions(search=SearchOptions(gallery_id=domain, leg=Leg.CALLER)),
        )
        return cls(service, caller, call, service.jobs.submit(caller, submission).job.id)

    def say(self, seconds: int, listened: Collection[Leg] = ()) -> None:
        with self.service.calls.append(
            self.caller,
            self.call.connector,
            self.call.transaction_id,
            leg=Leg.CALLER,
            sound_format=PCM,
            listened=listened,
        ) as writer:
            writer.write(bytes(16_000 * seconds))
            writer.commit()

    def look(self) -> Job:
        """A worker takes the job for the first time, and puts it off."""
        job = self.take()
        waiting = self.service.speaker_search.recording(job)
        assert isinstance(waiting, NotYet)
        assert Queue(self.service.store).put_off(job.id, "me", 600.0, heard=waiting.heard)
        return job

    def take(self) -> Job:
        job = Queue(self.service.store).claim("me")
        assert job is not None
        return job

    def wait_s(self) -> float:
        """Seconds for which nobody takes the job."""
        return max(0.0, float(self._row()["not_before"]) - time.time())

    def needs_engine(self) -> bool:
        return bool(self._row()["fetched"])

    def findings(self) -> SearchFindings:
        return SearchFindings.of(self.service.jobs.get(self.caller, self.job_id))

    def is_told(self) -> bool:
        with self.service.store.database.read() as connection:
            return job_voiceprints.of_job(connection, self.job_id, now=time.time()) is not None

    def tell(self, net_speech_s: float, *, leg: Leg = Leg.CALLER) -> None:
        self.service.speaker_search.tell(self.call, leg, heard(net_speech_s))

    def _row(self) -> jobs.Row:
        with self.service.store.database.read() as connection:
            row = jobs.fetch(connection, self.job_id)
        assert row is not None
        return row


def heard(net_speech_s: float, voice: Voiceprint | None = None) -> Heard:
    voiceprint = replace(voice or a_voice(1), net_speech_s=net_speech_s)
    return Heard(sound_s=net_speech_s + 1.0, voiceprint=voiceprint)


def test_a_task_searches_by_what_it_is_told_and_reads_the_sound_for_the_rest(
    service: Service,
) -> None:
    line = Line.of(service)
    assert service.speaker_search.awaited(line.call) == {Leg.CALLER: 10.0}
    line.look()
    line.say(8, listened=[Leg.CALLER])
    line.tell(9.9)
    line.tell(10.5, leg=Leg.CALLEE)
    assert not line.is_told()

    line.tell(10.5)
    assert not line.needs_engine()
    job = line.take()
    told = service.speaker_search.told(job)
    assert told == heard(10.5)
    assert told is not None
    assert isinstance(service.speaker_search.conclude(job, told), NotYet)
    assert (line.findings().matches, line.findings().net_speech_s) == ((), 10.5)
    assert not line.is_told(), "it is used up"
    assert Queue(service.store).put_off(job.id, "me", 600.0, heard=1)

    assert service.speaker_search.awaited(line.call) == {Leg.CALLER: 20.0}
    line.say(20, listened=[Leg.CALLER])
    line.tell(20.5)
    assert line.needs_engine()
    assert not line.is_told()
    job = line.take()
    assert service.speaker_search.told(job) is None
    recording = service.speaker_search.recording(job)
    assert not isinstance(recording, NotYet)
    recording.close()


@ONE_DATABASE
def test_a_task_does_not_rely_for_long_on_who_listens(service: Service) -> None:
    line = Line.of(service)
    line.look()
    line.say(8, listened=[Leg.CALLER])
    assert line.wait_s() > 500, "there is too little sound to look at"
    line.say(4, listened=[Leg.CALLER])
    assert 5 < line.wait_s() < 20, "should nothing follow, it reads what is stored"
    line.say(4)
    assert line.wait_s() == 0
    assert line.needs_engine()


@ONE_DATABASE
def test_what_is_told_while_a_task_is_put_off_is_not_missed(service: Service) -> None:
    line = Line.of(service)
    job = line.take()
    line.tell(12.0)
    assert Queue(service.store).put_off(job.id, "me", 600.0, heard=0)
    assert line.wait_s() == 0
    service.jobs.cancel(line.caller, line.job_id)
    service.speaker_search.sweep(time.time() + 3600)
    assert not line.is_told(), "of a task that was stopped nothing is kept"


@ONE_DATABASE
def test_what_was_told_of_no_use_any_more_keeps_no_task_awake(service: Service) -> None:
    line = Line.of(service)
    job = line.take()
    line.tell(12.0)
    service.store.vault.forget(line.job_id)
    assert service.speaker_search.told(job) is None
    assert not line.is_told()


@ONE_DATABASE
def test_what_came_to_its_end_is_not_found_out_again(service: Service) -> None:
    line = Line.of(service)
    line.say(25)
    job = line.take()
    assert service.speaker_search.concluded(job) is None
    first = service.speaker_search.conclude(job, heard(22.0))
    job = service.jobs.get(line.caller, line.job_id)
    assert service.speaker_search.concluded(job) == first


@ONE_DATABASE
def test_a_stream_has_the_channels_of_its_legs(service: Service) -> None:
    line, media = Line.of(service), service.call_media
    caller = replace(line.caller, key_id=None)  # no key that could have been revoked
    stereo = replace(PCM, channels=2)
    for leg, sound in ((None, PCM), (Leg.CALLER, stereo)):
        with pytest.raises(InvalidOption, match="one of both has two"):
            media.open(caller, line.call, leg=leg, sound=sound)
    stream = media.open(caller, line.call, leg=None, sound=stereo)
    other = media.open(caller, line.call, leg=Leg.CALLEE, sound=PCM)
    with pytest.raises(Conflict, match="Another connection"):
        stream.add(b"")
    assert not other.add(bytes(16_001))
    assert other.close().sound_s == {Leg.CALLER: 0.0, Leg.CALLEE: 1.0}

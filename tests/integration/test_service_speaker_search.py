"""Speaker search tasks on both databases, with voices that are made up."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from wave import open as open_wav

import pytest

from callers import new_caller
from earmark.audio import Encoding, PcmFormat
from earmark.errors import (
    Conflict,
    ConsentRequired,
    EarmarkError,
    Gone,
    Kind,
    NotFound,
    TooLittleSpeech,
)
from earmark.service import (
    Call,
    Caller,
    Job,
    JobError,
    JobKind,
    JobOptions,
    JobState,
    Leg,
    Queue,
    Scope,
    SearchFindings,
    SearchOptions,
    Service,
    Speaker,
    Submission,
)
from earmark.service._conclusion import Concluded, NotYet
from earmark.service._heard import Heard
from earmark.service._sweeper import sweep
from earmark.settings import Settings
from earmark.storage import Database, job_voiceprints, speakers
from earmark.storage._schema import deliveries
from earmark.voiceprints import Voiceprint
from results import diarization, turn
from stores import store_on
from voices import a_voice

CHIME = "chime"
BUS = ("https://bus.example.com/",)
PCM = PcmFormat(encoding=Encoding.PCM_S16LE, sample_rate=8000)
DAY = 86_400.0


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return service_on(database, tmp_path, standing_consent="Everybody has agreed.")


def service_on(database: Database, tmp_path: Path, **settings: Any) -> Service:
    known = {"reserve_bytes": 0, "chime_event_urls": BUS, **settings}
    return Service(store_on(database, Settings(data_dir=tmp_path, **known)))


@dataclass
class Desk:
    """A tenant with a domain, a call, and a task that listens to the call."""

    service: Service
    caller: Caller
    domain: str
    named: tuple[Caller, str, str]
    job_id: str

    @classmethod
    def of(cls, service: Service) -> Desk:
        caller = new_caller(service.store, "acme", Scope.JOBS, Scope.GALLERIES)
        domain = service.galleries.create(caller, name="callers", dialect=CHIME).id
        desk = cls(service, caller, domain, (caller, "", ""), "")
        desk.listen()
        return desk

    def listen(self) -> None:
        """Another call, and a task that listens to it."""
        connector = self.service.voice_connectors.create(
            self.caller, dialect=CHIME, name="desk", details={"region": "r"}
        ).id
        self.named = (self.caller, connector, "tx")
        call, _ = self.service.calls.open(*self.named)
        submission = Submission(
            dialect=CHIME,
            kind=JobKind.SPEAKER_SEARCH,
            call_id=call.id,
            options=JobOptions(
                search=SearchOptions(gallery_id=self.domain, leg=Leg.CALLER),
            ),
            render={"shown": "as it is"},
            retention_s=self.service.settings.chime_task_retention_s,
        )
        self.job_id = self.service.jobs.submit(self.caller, submission).job.id

    def say(self, seconds: float) -> Call:
        with self.service.calls.append(*self.named, leg=Leg.CALLER, sound_format=PCM) as writer:
            writer.write(bytes(16_000 * round(seconds)))
            return writer.commit()

    def end(self) -> None:
        self.service.calls.end(*self.named)

    def take(self) -> Job:
        """The task in the hands of a worker."""
        found = Queue(self.service.store).take(self.job_id, "me")
        if found is None:
            found = Queue(self.service.store).claim("me")
        assert found is not None
        assert found.id == self.job_id
        return found

    def hear(self, voice: Voiceprint | None, net_speech_s: float = 0.0) -> Concluded | NotYet:
        """What the sound so far comes to, when the engine hears this much of this voice in it."""
        job = self.take()
        recording = self.service.speaker_search.recording(job)
        if isinstance(recording, NotYet):
            return recording
        with recording, open_wav(recording, "rb") as wav:
            assert (wav.getframerate(), wav.getnchannels()) == (16_000, 1)
            seconds = wav.getnframes() / 16_000
        found = heard(seconds, voice, net_speech_s)
        return self.service.speaker_search.conclude(job, found)

    def finish(self, concluded: Concluded | NotYet) -> Job:
        """End the task as a worker does."""
        assert isinstance(concluded, Concluded)
        blob = f"results/{self.caller.tenant_id}/{self.job_id}-1"
        self.service.store.blobs.put(blob, concluded.document)
        queue = Queue(self.service.store)
        assert queue.succeed(self.job_id, "me", result_blob=blob, audio_s=0.0, timings={})
        return self.job()

    def fail(self, error: EarmarkError | None = None) -> None:
        """End the task as a worker does when something fails, the engine if nothing is named."""
        code = "job.poisoned" if error is None else error.code
        told = JobError(kind=Kind.INTERNAL, code=code, message="It failed.")
        assert Queue(self.service.store).fail(self.job_id, "me", told)

    def job(self) -> Job:
        return self.service.jobs.get(self.caller, self.job_id)

    def findings(self) -> SearchFindings:
        return SearchFindings.of(self.job())

    def enrol(self) -> Speaker:
        return self.service.task_enrolment.enrol(
            self.caller, self.job_id, dialect=CHIME, details={"region": "r"}
        )

    def told(self) -> Sequence[str]:
        with self.service.store.database.read() as connection:
            found = connection.execute(deliveries.select().filter_by(job_id=self.job_id))
            return sorted(each["event"] for each in found.mappings())


def heard(seconds: float, voice: Voiceprint | None, net_speech_s: float) -> Heard:
    if voice is None:
        return Heard.of(diarization(duration=seconds))
    plain = diarization(turn(0.0, net_speech_s, "SPEAKER_00"), duration=seconds)
    prints = {"SPEAKER_00": replace(voice, net_speech_s=net_speech_s)}
    return Heard.of(replace(plain, voiceprints=prints))


def test_a_task_goes_on_as_more_is_said(service: Service) -> None:
    desk = Desk.of(service)
    desk.say(9.0)
    waiting = desk.hear(a_voice(1))
    assert isinstance(waiting, NotYet)
    assert waiting.heard == 1
    assert waiting.until_s <= time.time() + service.settings.call_idle_s

    desk.say(3.0)
    assert isinstance(desk.hear(a_voice(1), 8.0), NotYet)
    assert desk.findings() == SearchFindings(look_at_s=14.0, net_speech_s=8.0)
    assert isinstance(desk.hear(a_voice(1), 8.0), NotYet), "nothing new has come"

    desk.say(4.0)
    assert isinstance(desk.hear(a_voice(1), 11.0), NotYet)
    assert desk.findings().matches == ()
    assert desk.findings().look_at_s == pytest.approx(25.0)
    assert desk.told() == ["search.unknown"]

    desk.say(10.0)
    concluded = desk.hear(a_voice(1), 20.5)
    assert isinstance(concluded, Concluded)
    document = json.loads(concluded.document)
    assert document["schema"] == "earmark.speaker_search/1"
    assert (document["voiceprint"], document["matches"]) == (True, [])
    assert desk.told() == ["search.unknown", "search.voiceprint"]
    assert not concluded.sealed


def test_who_is_enrolled_from_a_task_is_found_by_the_next(service: Service) -> None:
    desk, voice = Desk.of(service), a_voice(1)
    desk.say(25.0)
    desk.finish(desk.hear(voice, 22.0))
    speaker = desk.enrol()
    assert desk.enrol() == speaker
    (consent,) = service.speakers.consents(desk.caller, speaker.id)
    assert (consent.text, consent.method) == ("Everybody has agreed.", "standing")
    for heard_voice, expected in ((voice, [speaker.id]), (a_voice(2), [])):
        desk.listen()
        desk.say(25.0)
        desk.finish(desk.hear(heard_voice, 22.0))
        assert [each.speaker_id for each in desk.findings().matches or ()] == expected
    actions = [each.action for each in service.audit.list(desk.caller).items]
    assert actions.count("speaker.search") == 3
    assert actions.count("speaker.enrol") == 1


def test_a_call_that_ends_early(service: Service) -> None:
    desk = Desk.of(service)
    desk.say(12.0)
    desk.end()
    concluded = desk.hear(a_voice(1), 11.0)
    assert isinstance(concluded, Concluded)
    assert desk.findings().voiceprint is False
    assert desk.told() == ["search.no_voiceprint", "search.unknown"]
    desk.finish(concluded)
    with pytest.raises(Conflict, match="no voiceprint"):
        desk.enrol()

    for seconds, voice, net_speech_s in (
        (5.0, None, 0.0),
        (12.0, None, 0.0),
        (12.0, a_voice(1), 4),
    ):
        desk.listen()
        desk.say(seconds)
        desk.end()
        with pytest.raises(TooLittleSpeech) as raised:
            desk.hear(voice, net_speech_s)
        desk.fail(raised.value)
        assert desk.findings().voiceprint is False
        assert desk.told() == ["search.no_voiceprint", "search.unidentified"]


def test_sound_that_came_during_the_analysis_is_heard_before_the_end(service: Service) -> None:
    desk = Desk.of(service)
    desk.say(12.0)
    job = desk.take()
    recording = service.speaker_search.recording(job)
    assert not isinstance(recording, NotYet)
    recording.close()
    desk.say(10.0)
    desk.end()
    again = service.speaker_search.conclude(job, heard(12.0, a_voice(1), 11.0))
    assert isinstance(again, NotYet)
    assert again.until_s == 0.0
    assert isinstance(desk.hear(a_voice(1), 21.0), Concluded)
    assert desk.findings().voiceprint


def test_a_stopped_task_leaves_nothing_behind(service: Service) -> None:
    desk = Desk.of(service)
    desk.say(25.0)
    job = desk.take()
    service.jobs.cancel(desk.caller, job.id)
    service.speaker_search.conclude(job, heard(25.0, a_voice(1), 22.0))
    assert desk.told() == []
    with service.store.database.read() as connection:
        assert job_voiceprints.of_job(connection, job.id, now=0.0) is None
    assert desk.job().state is JobState.CANCELED


def test_an_unused_voiceprint_and_then_the_task_are_forgotten(service: Service) -> None:
    desk = Desk.of(service)
    desk.say(25.0)
    desk.finish(desk.hear(a_voice(1), 22.0))
    with service.store.database.read() as connection:
        row = job_voiceprints.of_job(connection, desk.job_id, now=time.time())
    assert row is not None
    sweep(service, time.time() + 0.99 * DAY)
    service.store.vault.open(desk.job_id, row["sealed"], purpose="voiceprint")
    sweep(service, time.time() + 1.01 * DAY)
    with pytest.raises(Gone):
        desk.enrol()
    with pytest.raises(Gone):
        service.store.vault.open(desk.job_id, row["sealed"], purpose="voiceprint")
    sweep(service, time.time() + 6.9 * DAY)
    assert desk.findings().voiceprint
    sweep(service, time.time() + 7.1 * DAY)
    with pytest.raises(NotFound):
        desk.job()


def test_who_is_erased_does_not_come_back_from_the_task(service: Service) -> None:
    desk = Desk.of(service)
    desk.say(25.0)
    desk.finish(desk.hear(a_voice(1), 22.0))
    with service.store.database.read() as connection:
        row = job_voiceprints.of_job(connection, desk.job_id, now=time.time())
    assert row is not None
    speaker = desk.enrol()
    assert desk.enrol() == speaker, "the request came again"
    with pytest.raises(Gone):
        service.store.vault.open(desk.job_id, row["sealed"], purpose="voiceprint")
    service.speakers.erase(desk.caller, speaker.id)
    with pytest.raises(Gone):
        desk.enrol()


def test_nobody_is_enrolled_from_what_two_people_said(service: Service) -> None:
    desk = Desk.of(service)
    desk.say(30.0)
    job = desk.take()
    one, other = (replace(a_voice(i), net_speech_s=22.0 / i) for i in (1, 2))
    two = replace(
        diarization(turn(0.0, 19.0, "SPEAKER_00"), turn(19.0, 30.0, "SPEAKER_01"), duration=30.0),
        voiceprints={"SPEAKER_00": one, "SPEAKER_01": other},
    )
    desk.finish(service.speaker_search.conclude(job, Heard.of(two)))
    found = desk.findings()
    assert (found.voiceprint, found.several, found.matches) == (False, True, ())
    assert "More than one person" in str(found.message)
    with pytest.raises(Conflict):
        desk.enrol()


def test_nobody_is_enrolled_without_consent(database: Database, tmp_path: Path) -> None:
    desk = Desk.of(service_on(database, tmp_path))
    desk.say(25.0)
    desk.finish(desk.hear(a_voice(1), 22.0))
    with pytest.raises(ConsentRequired, match="EARMARK_STANDING_CONSENT"):
        desk.enrol()
    assert desk.service.speakers.list(desk.caller, desk.domain).items == ()


def test_a_voice_that_is_replaced_puts_the_expiry_off_unless_a_time_was_set(
    service: Service,
) -> None:
    desk = Desk.of(service)
    desk.say(25.0)
    desk.finish(desk.hear(a_voice(1), 22.0))
    speaker = desk.enrol()

    def replaced() -> Speaker:
        desk.listen()
        desk.say(25.0)
        desk.finish(desk.hear(a_voice(1), 22.0))
        return service.task_enrolment.replace(desk.caller, speaker.id, desk.job_id, dialect=CHIME)

    later = replaced().expires_at
    assert later > speaker.expires_at
    soon = time.time() + DAY
    service.speakers.update(desk.caller, speaker.id, expires_at=soon)
    assert replaced().expires_at == soon
    with service.store.database.write() as connection:
        speakers.doom(connection, [speaker.id], time.time())
    with pytest.raises(NotFound):
        replaced()
    with service.store.database.read() as connection:
        row = speakers.fetch(connection, speaker.id)
    assert row is not None
    assert row["expires_at"] == 0.0


def test_a_task_of_another_domain_or_dialect_replaces_nothing(service: Service) -> None:
    desk = Desk.of(service)
    desk.say(25.0)
    desk.finish(desk.hear(a_voice(1), 22.0))
    speaker = desk.enrol()
    desk.domain = service.galleries.create(desk.caller, name="others", dialect=CHIME).id
    desk.listen()
    with pytest.raises(Conflict, match="not over"):
        desk.enrol()
    desk.say(25.0)
    desk.finish(desk.hear(a_voice(2), 22.0))
    with pytest.raises(Conflict, match="another domain"):
        service.task_enrolment.replace(desk.caller, speaker.id, desk.job_id, dialect=CHIME)
    with pytest.raises(NotFound):
        service.task_enrolment.replace(desk.caller, speaker.id, desk.job_id, dialect="native")


def test_a_task_fails_when_its_domain_is_gone(service: Service) -> None:
    desk = Desk.of(service)
    desk.say(25.0)
    job = desk.take()
    service.galleries.delete(desk.caller, desk.domain)
    with pytest.raises(NotFound) as raised:
        service.speaker_search.conclude(job, heard(25.0, a_voice(1), 22.0))
    desk.fail(raised.value)
    assert desk.told() == ["search.no_voiceprint", "search.unidentified"]


def test_a_failure_is_told_wherever_it_happens(service: Service) -> None:
    desk = Desk.of(service)
    desk.say(12.0)
    desk.take()
    desk.fail()
    assert desk.told() == ["search.no_voiceprint", "search.unidentified"]

    desk.listen()
    desk.say(12.0)
    desk.hear(a_voice(1), 11.0)
    desk.fail()
    assert desk.told() == ["search.no_voiceprint", "search.unknown"], "it was searched before"

    desk.listen()
    desk.say(25.0)
    desk.hear(a_voice(1), 22.0)
    desk.fail()
    assert desk.told() == ["search.unknown", "search.voiceprint"]

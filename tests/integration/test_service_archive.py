"""Where somebody speaks: one speaker searched in the stored recordings of a tenant."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from callers import new_caller
from earmark.errors import Conflict, ConsentRequired, Forbidden, InvalidOption, NotFound
from earmark.service import (
    Appearances,
    Caller,
    Gallery,
    IdentifyOptions,
    JobKind,
    JobOptions,
    NewConsent,
    Queue,
    Scope,
    Service,
    Speaker,
    Submission,
)
from earmark.service._conclusion import Conclusions
from earmark.settings import Settings
from earmark.storage import Database, job_voiceprints
from earmark.storage._schema import jobs, speakers
from results import diarization, turn
from stores import store_on
from voices import a_voice

AGREED = NewConsent(subject="the person", text="You may recognise me by my voice.")
TURNS = {"SPEAKER_00": [(0.5, 2.0), (4.0, 5.0)], "SPEAKER_01": [(2.0, 4.0)]}


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(store_on(database, Settings(data_dir=tmp_path)))


@pytest.fixture
def caller(service: Service) -> Caller:
    return new_caller(service.store, "acme", Scope.GALLERIES, Scope.JOBS)


@pytest.fixture
def staff(service: Service, caller: Caller) -> Gallery:
    return service.galleries.create(caller, name="staff")


def enrol(service: Service, caller: Caller, gallery: Gallery, name: str, number: int) -> Speaker:
    speaker = service.speakers.create(caller, gallery.id, name=name, consent=AGREED)
    service.enrolment.enroll_voiceprint(caller, speaker.id, a_voice(number))
    return speaker


def record(
    service: Service,
    caller: Caller,
    voices: Mapping[str, int],
    *,
    name: str = "call.wav",
    searchable: bool = True,
    identify: IdentifyOptions | None = None,
) -> str:
    """The id of a job that is over: in its recording these labels have the voices numbered so."""
    submission = Submission(
        dialect="native",
        kind=JobKind.DIARIZE if identify is None else JobKind.IDENTIFY,
        url="https://recordings.example.com/call.wav",
        name=name,
        options=JobOptions(searchable=searchable, identify=identify),
    )
    submitted = service.jobs.submit(caller, submission).job
    queue = Queue(service.store)
    job = queue.claim("me")
    assert job is not None
    assert job.id == submitted.id
    found = diarization(
        *(turn(*span, label) for label in voices for span in TURNS[label]), duration=6.0
    )
    found = replace(found, voiceprints={label: a_voice(number) for label, number in voices.items()})
    document = Conclusions(service).of(job, found.to_json().encode()).document
    blob = f"results/{caller.tenant_id}/{job.id}-1"
    service.store.blobs.put(blob, document)
    assert queue.succeed(job.id, "me", result_blob=blob, audio_s=6.0, timings={})
    return job.id


def matches(
    service: Service,
    caller: Caller,
    speaker: Speaker,
    *,
    least_llr: float = -1e6,
    before: int = 1 << 62,
) -> Sequence[job_voiceprints.Row]:
    """The rows of the newest recording in which the speaker was named."""
    with service.store.database.read() as connection:
        return job_voiceprints.matches(
            connection,
            caller.tenant_id,
            [speaker.id],
            least_llr=least_llr,
            before=before,
            limit=1,
        )


def found_in(found: Appearances) -> list[tuple[str, list[str]]]:
    return [(each.job_id, [voice.speaker for voice in each.voices]) for each in found.items]


def test_the_recordings_of_a_speaker_are_found_newest_first_with_their_turns(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada = enrol(service, caller, staff, "Ada", 1)
    first = record(service, caller, {"SPEAKER_00": 1, "SPEAKER_01": 2}, name="monday.wav")
    record(service, caller, {"SPEAKER_00": 3, "SPEAKER_01": 2})
    last = record(service, caller, {"SPEAKER_00": 4, "SPEAKER_01": 1})
    record(service, caller, {"SPEAKER_00": 1}, searchable=False)
    found = service.search.where(caller, ada.id)
    assert found_in(found) == [(last, ["SPEAKER_01"]), (first, ["SPEAKER_00"])]
    assert (found.searched, found.unsearchable, found.cursor) == (3, 1, None)
    monday = found.items[1]
    assert (monday.name, monday.dialect) == ("monday.wav", "native")
    (voice,) = monday.voices
    assert voice.turns == ((0.5, 2.0), (4.0, 5.0))
    assert voice.talk_s == pytest.approx(2.5)
    assert voice.found_by == "voiceprint"
    assert voice.llr > found.threshold
    assert voice.probability > 0.99
    (entry, *_) = service.audit.list(caller, subject=ada.id).items
    assert (entry.action, entry.details["found"]) == ("speaker.search", 2)


def test_pages_follow_one_another(
    service: Service, caller: Caller, staff: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.service._archive._AT_ONCE", 3)  # voices, so that parts meet
    ada = enrol(service, caller, staff, "Ada", 1)
    wanted: list[tuple[str, list[str]]] = []
    for i in range(7):
        voices = {"SPEAKER_00": 1 if i % 2 else 5, "SPEAKER_01": 1 if i % 3 else 6}
        job_id = record(service, caller, voices)
        labels = sorted(label for label, number in voices.items() if number == 1)
        if labels:
            wanted.insert(0, (job_id, labels))
    pages: list[list[tuple[str, list[str]]]] = []
    cursor = None
    while not pages or cursor is not None:
        page = service.search.where(caller, ada.id, limit=2, cursor=cursor)
        assert page.searched == 7
        pages.append([(job_id, sorted(labels)) for job_id, labels in found_in(page)])
        cursor = page.cursor
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [each for page in pages for each in page] == wanted
    for wrong in ("x", "-1", "9" * 30):
        with pytest.raises(InvalidOption, match="cursor"):
            service.search.where(caller, ada.id, cursor=wrong)
    with pytest.raises(InvalidOption):
        service.search.where(caller, ada.id, limit=0)


def test_only_as_many_matches_are_read_as_a_page_needs(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada = enrol(service, caller, staff, "Ada", 1)
    options = IdentifyOptions(galleries=(staff.id,), exclusive=False)
    recordings = [
        record(service, caller, {"SPEAKER_00": 1, "SPEAKER_01": 1}, identify=options)
        for _ in range(3)
    ]

    newest = matches(service, caller, ada)
    assert [(row["job_id"], row["speaker"]) for row in newest] == [
        (recordings[2], "SPEAKER_00"),
        (recordings[2], "SPEAKER_01"),
    ]
    older = matches(service, caller, ada, before=newest[0]["seq"])
    assert [row["job_id"] for row in older] == [recordings[1]] * 2
    assert matches(service, caller, ada, least_llr=1e6) == []


def test_who_was_named_by_an_identification_is_found_without_kept_voices(
    service: Service, caller: Caller, staff: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = enrol(service, caller, staff, "Ada", 1)
    options = IdentifyOptions(galleries=(staff.id,))
    before = record(service, caller, {"SPEAKER_00": 1})
    named = record(
        service,
        caller,
        {"SPEAKER_00": 2, "SPEAKER_01": 1},
        searchable=False,
        identify=options,
    )
    both = record(service, caller, {"SPEAKER_00": 1, "SPEAKER_01": 2}, identify=options)
    found = service.search.where(caller, ada.id)
    assert found_in(found) == [
        (both, ["SPEAKER_00"]),
        (named, ["SPEAKER_01"]),
        (before, ["SPEAKER_00"]),
    ]
    monkeypatch.setattr("earmark.service._archive._AT_ONCE", 1)  # voices, so that parts meet
    assert service.search.where(caller, ada.id) == found
    how = [each.voices[0].found_by for each in found.items]
    assert how == ["voiceprint", "identification", "voiceprint"]
    assert found.items[1].voices[0].turns == ((2.0, 4.0),)
    assert (found.searched, found.unsearchable) == (2, 1)
    page = service.search.where(caller, ada.id, limit=1, cursor=None)
    rest = service.search.where(caller, ada.id, limit=5, cursor=page.cursor)
    assert found_in(page) + found_in(rest) == found_in(found)


def test_recordings_that_are_gone_are_not_found(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada = enrol(service, caller, staff, "Ada", 1)
    options = IdentifyOptions(galleries=(staff.id,))
    deleted, expired, lost, shredded, kept = (
        record(service, caller, {"SPEAKER_00": 1}, identify=options if i % 2 else None)
        for i in range(5)
    )
    service.jobs.delete(caller, deleted)
    with service.store.database.write() as connection:
        ended = {"state": "expired", "result_blob": None}
        connection.execute(jobs.update().filter_by(id=expired).values(ended))
        job_voiceprints.replace(connection, expired, [])
    service.store.blobs.delete(f"results/{caller.tenant_id}/{lost}-1")
    service.store.vault.forget(shredded)
    found = [job_id for job_id, _ in found_in(service.search.where(caller, ada.id))]
    # The voice of the one before is gone with its data key, but who it was is still known.
    assert found == [kept, shredded]


def test_what_counts_for_a_speaker_decides(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada, old = enrol(service, caller, staff, "Ada", 1), enrol(service, caller, staff, "Old", 2)
    first = record(service, caller, {"SPEAKER_00": 2})
    assert found_in(service.search.where(caller, ada.id)) == []
    service.speakers.merge(caller, old.id, ada.id)
    for speaker in (ada, old):
        # Two made-up voices as one person are half as near to either.
        found = service.search.where(caller, speaker.id, false_accept_rate=0.1)
        assert found_in(found) == [(first, ["SPEAKER_00"])]
    silent = service.speakers.create(caller, staff.id, name="Silent", consent=AGREED)
    with pytest.raises(Conflict, match="no voiceprint"):
        service.search.where(caller, silent.id)
    service.speakers.withdraw(caller, ada.id)
    with pytest.raises(ConsentRequired, match="withdrawn"):
        service.search.where(caller, ada.id)
    service.speakers.erase(caller, ada.id)
    with pytest.raises(NotFound):
        service.search.where(caller, ada.id)


def test_who_is_erased_is_named_nowhere_any_more(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada = enrol(service, caller, staff, "Ada", 1)
    options = IdentifyOptions(galleries=(staff.id,))
    job_id = record(service, caller, {"SPEAKER_00": 1}, searchable=False, identify=options)
    service.speakers.erase(caller, ada.id)
    assert matches(service, caller, ada) == []
    with service.store.database.write() as connection:
        match = {"job_id": job_id, "speaker": "SPEAKER_00", "speaker_id": ada.id}
        scores = {"cosine": 1.0, "llr": 9.0, "probability": 1.0}
        job_voiceprints.replace_matches(connection, job_id, [match | scores])  # came too late
    assert matches(service, caller, ada) == []


def test_another_tenants_recordings_and_speakers_are_not_there(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada = enrol(service, caller, staff, "Ada", 1)
    stranger = new_caller(service.store, "other", Scope.GALLERIES, Scope.JOBS)
    record(service, stranger, {"SPEAKER_00": 1})
    mine = record(service, caller, {"SPEAKER_00": 1})
    found = service.search.where(caller, ada.id)
    assert found_in(found) == [(mine, ["SPEAKER_00"])]
    assert found.searched == 1
    with pytest.raises(NotFound):
        service.search.where(stranger, ada.id)
    jobs_only = Caller(tenant_id=caller.tenant_id, key_id="EK2", scopes=frozenset({Scope.JOBS}))
    with pytest.raises(Forbidden):
        service.search.where(jobs_only, ada.id)


def test_who_has_expired_is_not_searched_for(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada = enrol(service, caller, staff, "Ada", 1)
    with service.store.database.write() as connection:
        over = speakers.update().filter_by(id=ada.id).values(expires_at=time.time() - 1)
        connection.execute(over)
    with pytest.raises(NotFound):
        service.search.where(caller, ada.id)

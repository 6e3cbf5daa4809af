"""Enrolment from voiceprints, on both databases: consent, limits, and rivals."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import exc

from callers import new_caller
from earmark.errors import (
    Conflict,
    ConsentRequired,
    ForeignVoiceprint,
    IdempotencyConflict,
    NotFound,
)
from earmark.service import Caller, Idempotency, NewConsent, NewSpeaker, Scope, Service, Speaker
from earmark.settings import Settings
from earmark.storage import Database, voiceprints
from earmark.voiceprints import DEFAULT_MODEL, Voiceprint
from stores import store_on
from voices import a_voice, voices_of

_AGREED = NewConsent(subject="Ada Byron", text="You may recognise me by my voice.")


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(store_on(database, Settings(data_dir=tmp_path)))


@pytest.fixture
def caller(service: Service) -> Caller:
    return new_caller(service.store, "acme", Scope.GALLERIES)


@pytest.fixture
def ada(service: Service, caller: Caller) -> Speaker:
    gallery = service.galleries.create(caller, name="staff")
    return service.speakers.create(caller, gallery.id, name="Ada", consent=_AGREED)


def _counting(service: Service, gallery_id: str) -> dict[str, list[Voiceprint]]:
    """Speaker -> the voiceprints that they are matched with."""
    found: dict[str, list[Voiceprint]] = {}
    with service.store.database.read() as connection:
        for row in voiceprints.counting(connection, gallery_id, DEFAULT_MODEL).all():
            data = service.store.vault.open(row["speaker_id"], row["sealed"], purpose="voiceprint")
            found.setdefault(row["counts_for"], []).append(Voiceprint.from_bytes(data))
    return found


def test_a_voiceprint_is_kept_sealed_and_counts(
    service: Service, caller: Caller, ada: Speaker
) -> None:
    first, second = a_voice(1), a_voice(2)
    enrolled = service.enrolment.enroll_voiceprint(caller, ada.id, first)
    service.enrolment.enroll_voiceprint(caller, ada.id, second)
    assert enrolled.sample is None
    assert (enrolled.voiceprint.speaker_id, enrolled.voiceprint.model) == (ada.id, DEFAULT_MODEL)
    assert service.speakers.voiceprints(caller, ada.id)[0] == enrolled.voiceprint
    opened = service.speakers.open_voiceprints(caller, ada.id)
    stored = service.speakers.voiceprints(caller, ada.id)
    assert opened == ((stored[0], first), (stored[1], second))
    assert _counting(service, ada.gallery_id) == {ada.id: [first, second]}
    assert service.galleries.get(caller, ada.gallery_id).revision == 2
    with service.store.database.read() as connection:
        (row, _) = voiceprints.of_speakers(connection, [ada.id])
    assert first.vector.tobytes()[:16] not in row["sealed"]


def test_replacing_leaves_the_new_one_alone(service: Service, caller: Caller, ada: Speaker) -> None:
    for number in range(3):
        service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(number))
    service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(9), replace=True)
    assert voices_of(service, caller, ada.id) == (a_voice(9),)
    (entry,) = service.audit.list(caller, action="speaker.enrol", limit=1).items
    assert entry.details["replaced"] == 3


def test_without_consent_nobody_is_enrolled(service: Service, caller: Caller, ada: Speaker) -> None:
    bob = service.speakers.create(caller, ada.gallery_id, name="Bob")
    with pytest.raises(ConsentRequired, match="no record of this speaker's consent"):
        service.enrolment.enroll_voiceprint(caller, bob.id, a_voice(1))
    assert service.speakers.voiceprints(caller, bob.id) == ()
    told = NewConsent(subject="Bob", text="Yes.", purpose="door", method="spoken", given_at=5.0)
    service.enrolment.enroll_voiceprint(caller, bob.id, a_voice(1), consent=told)
    (consent,) = service.speakers.consents(caller, bob.id)
    assert (consent.subject, consent.text, consent.purpose) == ("Bob", "Yes.", "door")
    assert (consent.method, consent.given_at, consent.withdrawn_at) == ("spoken", 5.0, None)
    service.enrolment.enroll_voiceprint(caller, bob.id, a_voice(2))  # the record still stands
    for entry in service.audit.list(caller, subject=bob.id, action="speaker.enrol").items:
        assert entry.details["consent"] == consent.id


def test_where_the_settings_let_it_the_lack_of_consent_is_noted(
    database: Database, tmp_path: Path
) -> None:
    service = Service(store_on(database, Settings(data_dir=tmp_path, consent="record")))
    caller = new_caller(service.store, "acme", Scope.GALLERIES)
    gallery = service.galleries.create(caller, name="staff")
    bob = service.speakers.create(caller, gallery.id, name="Bob")
    service.enrolment.enroll_voiceprint(caller, bob.id, a_voice(1))
    (entry,) = service.audit.list(caller, action="speaker.enrol").items
    assert entry.details["consent"] is None
    service.speakers.withdraw(caller, bob.id)
    with pytest.raises(ConsentRequired, match="has withdrawn their consent"):
        service.enrolment.enroll_voiceprint(caller, bob.id, a_voice(2))


def test_a_voiceprint_of_another_model_is_refused(
    service: Service, caller: Caller, ada: Speaker
) -> None:
    with pytest.raises(ForeignVoiceprint):
        service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(1, model="other", size=192))
    assert service.speakers.voiceprints(caller, ada.id) == ()


def test_a_speaker_holds_a_hundred(
    service: Service, caller: Caller, ada: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.service._enrolling.MAX_VOICEPRINTS", 2)
    for number in range(2):
        service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(number))
    with pytest.raises(Conflict, match="holds 2 voiceprints, and 2 are the most"):
        service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(2))
    service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(2), replace=True)
    assert len(service.speakers.voiceprints(caller, ada.id)) == 1


def test_a_request_that_comes_twice_enrols_once(
    service: Service, caller: Caller, ada: Speaker
) -> None:
    promise = Idempotency(key="k", fingerprint="f" * 64)
    first = service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(1), idempotency=promise)
    again = service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(1), idempotency=promise)
    assert again == first
    assert len(service.speakers.voiceprints(caller, ada.id)) == 1
    other = Idempotency(key="k", fingerprint="e" * 64)
    with pytest.raises(IdempotencyConflict):
        service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(1), idempotency=other)


def test_another_tenant_enrols_nobody_here(service: Service, caller: Caller, ada: Speaker) -> None:
    stranger = new_caller(service.store, "stranger", Scope.GALLERIES)
    held = service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(1)).voiceprint
    attempts = (
        lambda: service.enrolment.enroll_voiceprint(stranger, ada.id, a_voice(2), consent=_AGREED),
        lambda: voices_of(service, stranger, ada.id),
        lambda: service.speakers.delete_voiceprint(stranger, held.id),
    )
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
    assert service.speakers.voiceprints(caller, ada.id) == (held,)


def test_a_voiceprint_is_deleted_by_itself(service: Service, caller: Caller, ada: Speaker) -> None:
    first = service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(1)).voiceprint
    service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(2))
    with pytest.raises(NotFound):
        service.speakers.delete_voiceprint(caller, first.id, speaker_id="another")
    service.speakers.delete_voiceprint(caller, first.id, speaker_id=ada.id)
    assert _counting(service, ada.gallery_id) == {ada.id: [a_voice(2)]}
    with pytest.raises(NotFound):
        service.speakers.delete_voiceprint(caller, first.id)


def test_rivals_enrol_the_same_new_speaker(service: Service, caller: Caller) -> None:
    gallery = service.galleries.create(caller, name="calls", dialect="deepaffects")
    together = threading.Barrier(6)
    failures: list[Exception] = []

    def enrol(number: int) -> None:
        together.wait()
        try:
            ada = NewSpeaker(gallery_id=gallery.id, key="ada", name="Ada")
            service.enrolment.enroll_keyed(caller, ada, a_voice(number), consent=_AGREED)
        except (Conflict, NotFound, exc.SQLAlchemyError) as error:
            failures.append(error)

    threads = [threading.Thread(target=enrol, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    (speaker,) = service.speakers.list(caller, gallery.id).items
    held = voices_of(service, caller, speaker.id)
    assert set(held) == {a_voice(number) for number in range(6)}
    assert service.audit.verify(caller).broken is None

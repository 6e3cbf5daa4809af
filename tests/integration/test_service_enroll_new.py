"""Somebody new and their voice, both or neither, on both databases."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from callers import new_caller
from earmark.errors import (
    Conflict,
    ConsentRequired,
    EarmarkError,
    Forbidden,
    ForeignVoiceprint,
    IdempotencyConflict,
    InvalidOption,
    NotFound,
)
from earmark.service import (
    Caller,
    Enrolled,
    Gallery,
    Idempotency,
    NewConsent,
    NewSpeaker,
    Scope,
    Service,
)
from earmark.settings import Settings
from earmark.storage import Database
from earmark.voiceprints import Voiceprint
from stores import store_on
from voices import a_voice

_AGREED = NewConsent(subject="Ada Byron", text="You may recognise me by my voice.")


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(store_on(database, Settings(data_dir=tmp_path)))


@pytest.fixture
def caller(service: Service) -> Caller:
    return new_caller(service.store, "acme", Scope.GALLERIES)


@pytest.fixture
def gallery(service: Service, caller: Caller) -> Gallery:
    return service.galleries.create(caller, name="staff")


def _promise(key: str = "k", fingerprint: str = "f" * 64) -> Idempotency:
    return Idempotency(key=key, fingerprint=fingerprint)


def test_somebody_new_is_there_with_their_voice(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    soon = time.time() + 86_400
    new = NewSpeaker(
        gallery_id=gallery.id, name="Ada", key="ada", details={"room": "12"}, expires_at=soon
    )
    enrolled = service.enrolment.enroll_new(caller, new, a_voice(1), consent=_AGREED)
    ada = service.speakers.get(caller, enrolled.speaker.id)
    assert enrolled.speaker == ada
    assert (ada.name, ada.key, ada.details, ada.expires_at) == ("Ada", "ada", {"room": "12"}, soon)
    assert service.speakers.voiceprints(caller, ada.id) == (enrolled.voiceprint,)
    (consent,) = service.speakers.consents(caller, ada.id)
    assert consent.text == _AGREED.text
    entries = service.audit.list(caller, subject=ada.id).items
    actions = [entry.action for entry in reversed(entries)]
    assert actions == ["speaker.create", "consent.give", "speaker.enrol"]
    assert entries[0].details["consent"] == consent.id
    assert service.galleries.get(caller, gallery.id).revision == 1


def test_who_is_refused_is_not_there(service: Service, caller: Caller, gallery: Gallery) -> None:
    taken = NewSpeaker(gallery_id=gallery.id, name="Ada", key="ada")
    service.enrolment.enroll_new(caller, taken, a_voice(1), consent=_AGREED)
    eve = NewSpeaker(gallery_id=gallery.id, name="Eve")
    foreign = a_voice(1, model="other", size=192)
    cases: list[tuple[NewSpeaker, Voiceprint, NewConsent | None, type[EarmarkError]]] = [
        (eve, a_voice(2), None, ConsentRequired),
        (eve, a_voice(2), NewConsent(subject="", text="Yes."), InvalidOption),
        (eve, foreign, _AGREED, ForeignVoiceprint),
        (taken, a_voice(2), _AGREED, Conflict),
        (NewSpeaker(gallery_id="unknown", name="Eve"), a_voice(2), _AGREED, NotFound),
        (NewSpeaker(gallery_id=gallery.id, name="\0"), a_voice(2), _AGREED, InvalidOption),
    ]
    for new, voice, consent, error in cases:
        with pytest.raises(error):
            service.enrolment.enroll_new(caller, new, voice, consent=consent)
    for stranger in (
        new_caller(service.store, "stranger", Scope.GALLERIES),
        new_caller(service.store, "jobs", Scope.JOBS),
    ):
        with pytest.raises((NotFound, Forbidden)):
            service.enrolment.enroll_new(stranger, eve, a_voice(2), consent=_AGREED)
    assert service.speakers.list(caller, gallery.id).total == 1
    assert service.store.vault.status().data_keys == 1


def test_the_same_request_again_changes_nothing_whatever_became_of_the_first(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    def enrol() -> Enrolled:
        new = NewSpeaker(gallery_id=gallery.id, name="Ada")
        return service.enrolment.enroll_new(
            caller, new, a_voice(1), consent=_AGREED, idempotency=_promise()
        )

    first = enrol()
    assert enrol() == first
    with pytest.raises(IdempotencyConflict):
        service.enrolment.enroll_new(
            caller,
            NewSpeaker(gallery_id=gallery.id, name="Bo"),
            a_voice(2),
            consent=_AGREED,
            idempotency=_promise(fingerprint="e" * 64),
        )
    ada = first.speaker.id
    service.enrolment.enroll_voiceprint(caller, ada, a_voice(3), replace=True)
    with pytest.raises(NotFound, match="was deleted since"):
        enrol()
    assert [each.id for each in service.speakers.list(caller, gallery.id).items] == [ada]
    assert len(service.speakers.voiceprints(caller, ada)) == 1
    assert service.receipts.list(caller).total == 0
    service.speakers.erase(caller, ada)
    with pytest.raises(NotFound):
        enrol()
    assert service.speakers.list(caller, gallery.id).total == 0
    assert service.store.vault.status().data_keys == 0


def test_the_same_request_at_the_same_moment_adds_one_person(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    made, together = set[str](), threading.Barrier(6)

    def enrol() -> None:
        together.wait()
        new = NewSpeaker(gallery_id=gallery.id, name="Ada")
        enrolled = service.enrolment.enroll_new(
            caller, new, a_voice(1), consent=_AGREED, idempotency=_promise()
        )
        made.add(enrolled.speaker.id)

    threads = [threading.Thread(target=enrol) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each.id for each in service.speakers.list(caller, gallery.id).items} == made
    assert len(made) == 1
    assert service.store.vault.status().data_keys == 1
    assert service.audit.verify(caller).broken is None


def test_nobody_is_added_to_a_gallery_that_is_deleted_meanwhile(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    together, refused = threading.Barrier(5), list[NotFound]()

    def enrol(number: int) -> None:
        together.wait()
        try:
            for turn in range(30):
                name = f"{number}-{turn}"
                new = NewSpeaker(gallery_id=gallery.id, name=name)
                service.speakers.create(caller, gallery.id, name=name)
                service.enrolment.enroll_new(caller, new, a_voice(turn), consent=_AGREED)
        except NotFound as error:
            refused.append(error)

    threads = [threading.Thread(target=enrol, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    together.wait()
    service.galleries.delete(caller, gallery.id)
    for thread in threads:
        thread.join()
    assert len(refused) == 4
    assert service.store.vault.status().data_keys == 0

"""Speakers, their consents and their time, on both databases."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from callers import new_caller
from earmark.errors import (
    Conflict,
    ConsentRequired,
    Forbidden,
    Gone,
    IdempotencyConflict,
    InvalidOption,
    NotFound,
)
from earmark.service import (
    Caller,
    Gallery,
    Idempotency,
    NewConsent,
    Scope,
    Service,
    standing_consent,
)
from earmark.service._sweeper import sweep
from earmark.settings import Settings
from earmark.storage import Database, speakers, voiceprints
from earmark.voiceprints import DEFAULT_MODEL, Voiceprint
from stores import store_on
from voices import a_voice, voices_of

_DAY = 86400.0
_AGREED = NewConsent(subject="Ada Byron", text="You may recognise me by my voice.")


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(store_on(database, Settings(data_dir=tmp_path, speaker_expiry_s=10 * _DAY)))


@pytest.fixture
def caller(service: Service) -> Caller:
    return new_caller(service.store, "acme", Scope.GALLERIES)


@pytest.fixture
def gallery(service: Service, caller: Caller) -> Gallery:
    return service.galleries.create(caller, name="staff")


def _matched(service: Service, *speaker_ids: str, now: float) -> int:
    expiry_s = service.settings.speaker_expiry_s
    with service.store.database.write() as connection:
        return speakers.matched(connection, speaker_ids, now=now, expiry_s=expiry_s)


def test_a_speaker_is_made_found_changed_and_erased(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    details = {"team": "analysts"}
    made = service.speakers.create(caller, gallery.id, name="Ada", details=details)
    assert (made.name, made.key, made.details) == ("Ada", None, details)
    assert made.expires_at == pytest.approx(time.time() + 10 * _DAY, abs=60)
    assert service.speakers.get(caller, made.id) == made
    assert service.speakers.get(caller, made.id, gallery_id=gallery.id, dialect="native") == made
    assert service.speakers.list(caller, gallery.id).items == (made,)
    assert service.speakers.names(caller, [made.id, "unknown"]) == {made.id: "Ada"}
    changed = service.speakers.update(caller, made.id, name="Ada B.")
    assert (changed.name, changed.details, changed.expires_at) == (
        "Ada B.",
        details,
        made.expires_at,
    )
    with pytest.raises(NotFound):
        service.speakers.get(caller, made.id, gallery_id="another")
    with pytest.raises(NotFound):
        service.speakers.get(caller, made.id, dialect="chime")
    service.speakers.erase(caller, made.id)
    for attempt in (service.speakers.get, service.speakers.erase, service.speakers.update):
        with pytest.raises(NotFound, match="There is no speaker"):
            attempt(caller, made.id)
    logged = json.dumps([dict(each.details) for each in service.audit.list(caller).items])
    assert "Ada" not in logged
    assert "analysts" not in logged


def test_a_key_is_taken_once_in_a_gallery(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    made = service.speakers.create(caller, gallery.id, name="Ada", key="ada")
    assert service.speakers.by_key(caller, gallery.id, "ada") == made
    with pytest.raises(Conflict, match="'ada' in this gallery already"):
        service.speakers.create(caller, gallery.id, name="Ada", key="ada")
    with pytest.raises(NotFound):
        service.speakers.by_key(caller, gallery.id, "bob")
    other = service.galleries.create(caller, name="guests")
    assert service.speakers.create(caller, other.id, name="Ada", key="ada").id != made.id
    promise = Idempotency(key="k", fingerprint="f" * 64)
    bob = service.speakers.create(caller, gallery.id, name="Bob", idempotency=promise)
    assert service.speakers.create(caller, gallery.id, name="Bob", idempotency=promise) == bob
    again = Idempotency(key="k", fingerprint="e" * 64)
    with pytest.raises(IdempotencyConflict):
        service.speakers.create(caller, gallery.id, name="Bob", idempotency=again)


def test_long_lists_are_read_in_parts_without_sorting_them(tmp_path: Path) -> None:
    service = Service.open(Settings(data_dir=tmp_path))
    caller = new_caller(service.store, "acme", Scope.GALLERIES)
    gallery = service.galleries.create(caller, name="staff")
    asked: list[tuple[str, Any]] = []
    engine = service.store.database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    service.speakers.list(caller, gallery.id)
    service.receipts.list(caller)
    plans = []
    with service.store.database.read() as connection:
        for statement, values in [each for each in asked if "ORDER BY" in each[0]]:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            plans.append(" ".join(row[3] for row in plan))
    service.close()
    assert len(plans) == 2
    assert not any("TEMP B-TREE" in plan for plan in plans), plans


def test_speakers_are_listed_newest_first_and_searched_by_name(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    names = ["Ada", "adam", "Bea%", "Zoë"]
    made = [service.speakers.create(caller, gallery.id, name=name) for name in names]
    first = service.speakers.list(caller, gallery.id, limit=3)
    rest = service.speakers.list(caller, gallery.id, limit=3, cursor=first.cursor)
    assert (first.total, rest.cursor) == (4, None)
    assert [*first.items, *rest.items] == list(reversed(made))
    found = service.speakers.list(caller, gallery.id, search="ADA")
    assert ([each.name for each in found.items], found.total) == (["adam", "Ada"], 2)
    assert [s.name for s in service.speakers.list(caller, gallery.id, search="%").items] == ["Bea%"]


def test_what_is_anothers_is_as_if_it_were_not_there(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    made = service.speakers.create(caller, gallery.id, name="Ada", key="ada", consent=_AGREED)
    stranger = new_caller(service.store, "stranger", Scope.GALLERIES)
    attempts = (
        lambda: service.speakers.get(stranger, made.id),
        lambda: service.speakers.by_key(stranger, gallery.id, "ada"),
        lambda: service.speakers.list(stranger, gallery.id),
        lambda: service.speakers.create(stranger, gallery.id, name="Eve"),
        lambda: service.speakers.update(stranger, made.id, name="Eve"),
        lambda: service.speakers.consents(stranger, made.id),
        lambda: service.speakers.add_consent(stranger, made.id, _AGREED),
        lambda: service.speakers.withdraw(stranger, made.id),
        lambda: service.speakers.export(stranger, made.id),
        lambda: service.speakers.samples(stranger, made.id),
        lambda: service.speakers.erase(stranger, made.id),
        lambda: service.speakers.unmerge(stranger, made.id),
    )
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
    assert service.speakers.names(stranger, [made.id]) == {}
    assert service.speakers.get(caller, made.id) == made
    jobs_only = new_caller(service.store, "jobs", Scope.JOBS)
    with pytest.raises(Forbidden):
        service.speakers.get(jobs_only, made.id)
    with pytest.raises(Forbidden):
        service.speakers.names(new_caller(service.store, "live", Scope.LIVE), [made.id])


def test_consent_that_is_withdrawn_ends_the_matching_and_keeps_the_rest(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    ada = service.speakers.create(caller, gallery.id, name="Ada", consent=_AGREED)
    service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(1))
    before = service.galleries.get(caller, gallery.id).revision
    withdrawn = service.speakers.withdraw(caller, ada.id)
    assert withdrawn.withdrawn_at is not None
    assert _counting(service, gallery) == []
    assert service.galleries.get(caller, gallery.id).revision == before + 1
    assert service.speakers.withdraw(caller, ada.id) == withdrawn
    assert service.galleries.get(caller, gallery.id).revision == before + 1
    (first,) = service.speakers.consents(caller, ada.id)
    assert first.withdrawn_at == withdrawn.withdrawn_at
    assert voices_of(service, caller, ada.id) == (a_voice(1),)
    promise = Idempotency(key="k", fingerprint="f" * 64)
    second = service.speakers.add_consent(caller, ada.id, _AGREED, idempotency=promise)
    assert service.speakers.add_consent(caller, ada.id, _AGREED, idempotency=promise) == second
    assert service.speakers.consents(caller, ada.id) == (first, second)
    assert service.speakers.get(caller, ada.id).withdrawn_at is None
    assert _counting(service, gallery) == [ada.id]
    assert service.galleries.get(caller, gallery.id).revision == before + 2
    actions = [entry.action for entry in service.audit.list(caller, subject=ada.id).items]
    assert actions.count("consent.give") == 2
    assert actions.count("consent.withdraw") == 1


def test_what_is_no_record_of_consent_is_refused(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    for wrong in (
        {"subject": ""},
        {"subject": "Ada\n"},
        {"text": " "},
        {"text": "y" * 10_001},
        {"text": "Yes.\0"},
        {"purpose": ""},
        {"method": "m" * 65},
        {"given_at": float("nan")},
        {"given_at": time.time() + 9 * _DAY},
    ):
        consent = replace(_AGREED, **wrong)
        with pytest.raises(InvalidOption):
            service.speakers.create(caller, gallery.id, name="Ada", consent=consent)
    assert service.speakers.list(caller, gallery.id).total == 0


def test_a_standing_consent_is_what_the_operator_has_declared(tmp_path: Path) -> None:
    assert standing_consent(Settings(data_dir=tmp_path), "Ada") is None
    declared = Settings(data_dir=tmp_path, standing_consent="All staff have signed.")
    consent = standing_consent(declared, "Ada")
    assert consent == NewConsent(subject="Ada", text="All staff have signed.", method="standing")


def test_no_standing_consent_stands_above_a_withdrawal(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    standing = replace(_AGREED, method="standing")
    ada = service.speakers.create(caller, gallery.id, name="Ada", consent=standing)
    service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(1), consent=standing)
    service.speakers.withdraw(caller, ada.id)
    with pytest.raises(ConsentRequired, match="has withdrawn"):
        service.speakers.add_consent(caller, ada.id, standing)
    with pytest.raises(ConsentRequired, match="has withdrawn"):
        service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(2), consent=standing)
    assert _counting(service, gallery) == []
    service.speakers.add_consent(caller, ada.id, _AGREED)
    assert _counting(service, gallery) == [ada.id]


def test_who_has_expired_is_gone_at_once_and_erased_by_the_sweeper(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    ada = service.speakers.create(caller, gallery.id, name="Ada", key="ada", consent=_AGREED)
    bob = service.speakers.create(caller, gallery.id, name="Bob", consent=_AGREED)
    for number, each in enumerate((ada, bob)):
        service.enrolment.enroll_voiceprint(caller, each.id, a_voice(number))
    sweep(service, ada.expires_at - 1)
    assert service.speakers.list(caller, gallery.id).total == 2
    _expire(service, ada.id)
    for attempt in (service.speakers.get, service.speakers.export, service.speakers.withdraw):
        with pytest.raises(NotFound):
            attempt(caller, ada.id)
    with pytest.raises(NotFound):
        service.speakers.by_key(caller, gallery.id, "ada")
    with pytest.raises(NotFound):
        service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(9))
    assert [each.id for each in service.speakers.list(caller, gallery.id).items] == [bob.id]
    sweep(service, time.time())
    (receipt,) = service.receipts.list(caller).items
    assert (receipt.speaker_id, json.loads(receipt.document)["reason"]) == (ada.id, "expiry")
    (entry,) = service.audit.list(caller, action="speaker.expire").items
    assert (entry.subject, entry.actor) == (ada.id, "expiry")
    with service.store.database.read() as connection:
        assert speakers.fetch(connection, ada.id) is None
    with pytest.raises(Gone):
        service.store.vault.open(ada.id, b"", purpose="voiceprint")
    sweep(service, bob.expires_at + 1)
    assert service.speakers.list(caller, gallery.id).total == 0


def test_a_name_is_free_again_when_its_speaker_has_expired(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    old = service.speakers.create(caller, gallery.id, name="Ada", key="ada")
    _expire(service, old.id)
    new = service.speakers.create(caller, gallery.id, key="ada", name="Ada")
    assert new.id != old.id
    assert service.receipts.list(caller, speaker_id=old.id).total == 1


def test_a_match_puts_the_expiry_off(service: Service, caller: Caller, gallery: Gallery) -> None:
    ada = service.speakers.create(caller, gallery.id, name="Ada")
    merged = service.speakers.create(caller, gallery.id, name="Ada, once more")
    service.speakers.merge(caller, merged.id, ada.id)
    later = ada.created_at + 5 * _DAY
    assert _matched(service, ada.id, now=later) == 2
    for each in (ada, merged):
        now = service.speakers.get(caller, each.id)
        assert (now.matched_at, now.expires_at) == (later, later + 10 * _DAY)
    assert _matched(service, ada.id, now=later + 60) == 0  # not so often
    assert _matched(service, ada.id, now=later + 3600) == 2
    assert _matched(service, ada.id, now=later + 20 * _DAY) == 0  # too late
    sweep(service, later + 9 * _DAY)
    assert service.speakers.list(caller, gallery.id).total == 2


def test_a_time_that_was_set_stays(service: Service, caller: Caller, gallery: Gallery) -> None:
    soon = time.time() + 2 * _DAY
    ada = service.speakers.create(caller, gallery.id, name="Ada", expires_at=soon)
    assert ada.expires_at == soon
    assert _matched(service, ada.id, now=time.time() + _DAY) == 1
    assert service.speakers.get(caller, ada.id).expires_at == soon
    sooner = service.speakers.update(caller, ada.id, expires_at=soon - _DAY)
    assert sooner.expires_at == soon - _DAY
    bob = service.speakers.create(caller, gallery.id, name="Bob")
    for wrong in (time.time() - 1, time.time() + 11 * _DAY, float("inf"), float("nan")):
        with pytest.raises(InvalidOption, match="10 days after"):
            service.speakers.create(caller, gallery.id, name="Eve", expires_at=wrong)
        with pytest.raises(InvalidOption, match="10 days after"):
            service.speakers.update(caller, bob.id, expires_at=wrong)


def test_an_export_holds_all_that_is_kept(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    ada = service.speakers.create(caller, gallery.id, name="Ada", consent=_AGREED)
    again = service.speakers.create(caller, gallery.id, name="A. Byron", consent=_AGREED)
    bob = service.speakers.create(caller, gallery.id, name="Bob", consent=_AGREED)
    for number, each in enumerate((ada, again, bob)):
        service.enrolment.enroll_voiceprint(caller, each.id, a_voice(number))
    service.speakers.merge(caller, again.id, ada.id)
    document = json.loads(json.dumps(service.speakers.export(caller, ada.id)))
    assert document["schema"] == "earmark.person/1"
    assert (document["speaker"]["name"], document["speaker"]["gallery"]["name"]) == ("Ada", "staff")
    assert document["consents"][0]["text"] == _AGREED.text
    (held,) = document["voiceprints"]
    assert Voiceprint.from_base64(held["voiceprint"]) == a_voice(0)
    (merged,) = document["merged"]
    assert merged["speaker"]["name"] == "A. Byron"
    assert Voiceprint.from_base64(merged["voiceprints"][0]["voiceprint"]) == a_voice(1)
    actions = [entry["action"] for entry in document["audit"]]
    alone = ["speaker.create", "consent.give", "speaker.enrol"]
    assert sorted(actions) == sorted([*alone, *alone, "speaker.merge"])  # of both records
    assert "Bob" not in json.dumps(document)
    (entry,) = service.audit.list(caller, action="speaker.export").items
    assert entry.subject == ada.id


def _expire(service: Service, speaker_id: str) -> None:
    """As if the clock had moved on."""
    with service.store.database.write() as connection:
        speakers.update(connection, speaker_id, {"expires_at": time.time() - 1})


def _counting(service: Service, gallery: Gallery) -> list[str]:
    with service.store.database.read() as connection:
        rows = voiceprints.counting(connection, gallery.id, DEFAULT_MODEL).all()
    return [row["counts_for"] for row in rows]

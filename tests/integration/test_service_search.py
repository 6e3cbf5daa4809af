"""Voices searched among the speakers of galleries, on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from callers import new_caller
from earmark.errors import Forbidden, ForeignVoiceprint, InvalidInput, InvalidOption, NotFound
from earmark.service import (
    Caller,
    Gallery,
    IdentifyOptions,
    Named,
    NewConsent,
    Scope,
    Service,
    Speaker,
    _gallery_index,
)
from earmark.service._gallery_index import GalleryIndexes
from earmark.settings import Settings
from earmark.storage import Database
from earmark.storage import galleries as gallery_rows
from earmark.storage._schema import speakers
from earmark.voiceprints import Voiceprint
from stores import store_on
from voices import a_voice

AGREED = NewConsent(subject="the person", text="You may recognise me by my voice.")
DAY = 86400.0


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(store_on(database, Settings(data_dir=tmp_path)))


@pytest.fixture
def also(service: Service) -> Service:
    """What another process has: the same storage, and indexes of its own."""
    return Service(service.store)


@pytest.fixture
def caller(service: Service) -> Caller:
    return new_caller(service.store, "acme", Scope.GALLERIES)


@pytest.fixture
def staff(service: Service, caller: Caller) -> Gallery:
    return service.galleries.create(caller, name="staff")


def enrol(service: Service, caller: Caller, gallery: Gallery, name: str, *numbers: int) -> Speaker:
    """A speaker with the voices of these numbers."""
    speaker = service.speakers.create(caller, gallery.id, name=name, consent=AGREED)
    for number in numbers:
        service.enrolment.enroll_voiceprint(caller, speaker.id, a_voice(number))
    return speaker


def again(number: int, noise: float = 0.3, seed: int = 1) -> Voiceprint:
    """The voice of this number in another recording."""
    voice, other = a_voice(number), a_voice(10_000 + seed)
    return Voiceprint(
        vector=voice.vector + noise * other.vector, model=voice.model, net_speech_s=10.0
    )


def searched(
    service: Service, caller: Caller, gallery: Gallery, number: int, among: Sequence[str] = ()
) -> str | None:
    """The id of whom a voice is taken for."""
    named = service.search.search(caller, [gallery.id], again(number), speakers=among)
    return None if named.match is None else named.match.speaker_id


def told(named: Named) -> list[str]:
    return [each.label for each in named.alternatives]


def test_a_known_voice_is_named_and_an_unknown_one_is_not(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada, eve = enrol(service, caller, staff, "Ada", 1), enrol(service, caller, staff, "Eve", 2)
    named = service.search.search(caller, [staff.id], again(1), k=5)
    assert named.match == named.alternatives[0]
    assert (named.match.speaker_id, named.match.label) == (ada.id, "Ada")
    assert named.match.llr > named.threshold
    assert named.match.probability > 0.95
    assert named.match.cosine == pytest.approx(0.958, abs=0.01)
    assert told(named) == ["Ada", "Eve"]
    assert named.margin == pytest.approx(named.match.llr - named.alternatives[1].llr)
    nobody = service.search.search(caller, [staff.id], again(3), k=1)
    assert nobody.match is None
    assert len(nobody.alternatives) == 1
    assert nobody.alternatives[0].speaker_id in (ada.id, eve.id)
    assert nobody.alternatives[0].llr < nobody.threshold


def test_an_empty_gallery_knows_nobody(service: Service, caller: Caller, staff: Gallery) -> None:
    named = service.search.search(caller, [staff.id], again(1))
    assert (named.match, named.alternatives, named.margin) == (None, (), None)


def test_the_rate_and_the_confidence_that_were_asked_for_decide(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    enrol(service, caller, staff, "Ada", 1)
    blurred = again(1, noise=1.5)

    def threshold(rate: float | None, confidence: float = 0.0) -> tuple[float, bool]:
        named = service.search.search(
            caller, [staff.id], blurred, false_accept_rate=rate, confidence=confidence
        )
        return named.threshold, named.match is not None

    loose, strict = threshold(0.1), threshold(1e-6)
    assert loose[0] < threshold(0.01)[0] < strict[0]
    anybody = threshold(None)
    assert anybody[0] == pytest.approx(-30.0, abs=0.1)
    assert anybody[1]
    sure, probable = threshold(None, 0.999999), threshold(None, 0.5)
    assert probable[0] == pytest.approx(0.0)
    assert sure[0] == pytest.approx(13.8, abs=0.1)
    assert not threshold(None, 1.0)[1]
    for number in range(20, 30):
        enrol(service, caller, staff, f"person {number}", number)
    assert threshold(0.01)[0] > service.search.calibration.threshold(0.01)  # more to be taken for
    for wrong in ({"confidence": 1.5}, {"k": 0}, {"k": 101}, {"false_accept_rate": 0.0}):
        with pytest.raises(InvalidOption):
            service.search.search(caller, [staff.id], blurred, **wrong)


def test_only_some_speakers_or_several_galleries_are_searched(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada, eve = enrol(service, caller, staff, "Ada", 1), enrol(service, caller, staff, "Eve", 2)
    guests = service.galleries.create(caller, name="guests")
    bob = enrol(service, caller, guests, "Bob", 3)
    assert searched(service, caller, staff, 1, [ada.id]) == ada.id
    assert searched(service, caller, staff, 1, [eve.id]) is None
    assert searched(service, caller, staff, 3) is None
    both = [staff.id, guests.id]
    assert told(service.search.search(caller, both, again(3)))[0] == "Bob"
    assert len(service.search.search(caller, both, again(3)).alternatives) == 3
    assert len(service.search.search(caller, both, again(3), k=2).alternatives) == 2
    with pytest.raises(NotFound, match=bob.id):
        searched(service, caller, staff, 1, [bob.id])


def test_what_belongs_to_another_tenant_is_not_there(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada = enrol(service, caller, staff, "Ada", 1)
    stranger = new_caller(service.store, "other", Scope.GALLERIES)
    theirs = service.galleries.create(stranger, name="staff")
    with pytest.raises(NotFound, match=staff.id):
        searched(service, stranger, staff, 1)
    with pytest.raises(NotFound, match=ada.id):
        searched(service, stranger, theirs, 1, [ada.id])
    assert searched(service, stranger, theirs, 1) is None
    jobs_only = Caller(tenant_id=caller.tenant_id, key_id="EK2", scopes=frozenset({Scope.JOBS}))
    with pytest.raises(Forbidden):
        searched(service, jobs_only, staff, 1)


def test_a_voiceprint_of_another_model_is_refused(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    enrol(service, caller, staff, "Ada", 1)
    with pytest.raises(ForeignVoiceprint):
        service.search.search(caller, [staff.id], a_voice(1, model="other-1"))


def test_every_change_is_seen_by_the_next_search_of_every_process(
    service: Service, also: Service, caller: Caller, staff: Gallery
) -> None:
    ada = enrol(service, caller, staff, "Ada", 1)
    enrol(service, caller, staff, "Eve", 2)

    def both(number: int) -> str | None:
        found = {searched(each, caller, staff, number) for each in (service, also)}
        assert len(found) == 1
        return found.pop()

    def alike(speaker: Speaker, number: int) -> bool:
        """Whether the speaker sounds like this voice, if only a little."""
        found = [each.search.search(caller, [staff.id], again(number)) for each in (service, also)]
        known = {
            one.cosine
            for named in found
            for one in named.alternatives
            if one.speaker_id == speaker.id
        }
        assert len(known) == 1
        return known.pop() > 0.5

    assert both(1) == ada.id
    loaded = also.search.indexes.current(staff.id, 0, time.time())
    late = enrol(service, caller, staff, "Late", 5)
    assert both(5) == late.id
    added = service.enrolment.enroll_voiceprint(caller, late.id, a_voice(6)).voiceprint
    assert alike(late, 6)
    service.speakers.delete_voiceprint(caller, added.id)
    assert not alike(late, 6)
    service.enrolment.enroll_voiceprint(caller, late.id, a_voice(7), replace=True)
    assert (both(5), both(7)) == (None, late.id)
    service.speakers.merge(caller, late.id, ada.id)
    assert (both(7), both(1)) == (ada.id, ada.id)
    service.speakers.unmerge(caller, late.id)
    assert (both(7), both(1)) == (late.id, ada.id)
    service.speakers.withdraw(caller, late.id)
    assert both(7) is None
    service.speakers.add_consent(caller, late.id, AGREED)
    assert both(7) == late.id
    service.speakers.erase(caller, late.id)
    assert both(7) is None
    assert both(1) == ada.id
    # All that without reading the gallery again.
    assert also.search.indexes.current(staff.id, 0, time.time()) is loaded


def test_those_who_were_merged_go_with_the_one_they_count_for(
    service: Service, also: Service, caller: Caller, staff: Gallery
) -> None:
    ada, old = enrol(service, caller, staff, "Ada", 1), enrol(service, caller, staff, "Old", 2)
    service.speakers.merge(caller, old.id, ada.id)
    assert searched(also, caller, staff, 2, [old.id]) == ada.id
    service.speakers.withdraw(caller, ada.id)
    for each in (service, also):
        assert (searched(each, caller, staff, 1), searched(each, caller, staff, 2)) == (None, None)


def test_who_has_expired_is_not_found_and_who_is_found_expires_later(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    enrol(service, caller, staff, "Ada", 1)
    brief = service.speakers.create(
        caller, staff.id, name="Brief", consent=AGREED, expires_at=time.time() + 3600
    )
    service.enrolment.enroll_voiceprint(caller, brief.id, a_voice(2))
    row = gallery_rows_of(service, staff)
    indexes = GalleryIndexes(service.store, service.search.calibration)
    now = time.time()
    index = indexes.current(staff.id, row, now)
    assert len(index) == 2
    assert len(indexes.current(staff.id, row, now + 7200)) == 1  # by the clock alone
    assert len(index) == 1
    # What was matched meanwhile counts for longer than this index knew.
    later = GalleryIndexes(service.store, service.search.calibration)
    assert len(later.current(staff.id, row, now)) == 2
    with service.store.database.write() as connection:
        connection.execute(
            speakers.update().filter_by(id=brief.id).values(expires_at=now + 30 * DAY)
        )
    assert len(later.current(staff.id, row, now + 7200)) == 2
    assert len(later.current(staff.id, row, now + 31 * DAY)) == 1


def gallery_rows_of(service: Service, gallery: Gallery) -> int:
    with service.store.database.read() as connection:
        row = gallery_rows.fetch(connection, gallery.id)
    assert row is not None
    return int(row["revision"])


def test_a_match_puts_the_expiry_off_and_is_noted_in_the_audit_log(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada = enrol(service, caller, staff, "Ada", 1)
    with service.store.database.write() as connection:
        past = time.time() + 10 * DAY
        connection.execute(speakers.update().filter_by(id=ada.id).values(expires_at=past))
    assert searched(service, caller, staff, 1) == ada.id
    matched = service.speakers.get(caller, ada.id)
    assert matched.matched_at is not None
    assert matched.expires_at > time.time() + 300 * DAY
    assert searched(service, caller, staff, 1) == ada.id
    assert service.speakers.get(caller, ada.id).matched_at == matched.matched_at  # once an hour
    assert searched(service, caller, staff, 9) is None
    entries = service.audit.list(caller, action="speaker.search").items
    assert [entry.subject for entry in entries] == [staff.id, ada.id, ada.id]
    assert entries[1].actor == caller.key_id
    assert entries[1].details["galleries"] == [staff.id]
    assert entries[1].details["llr"] > 0
    assert "Ada" not in str(entries)
    assert service.audit.verify(caller).broken is None


def test_a_recordings_voices_get_one_name_each(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada, eve = enrol(service, caller, staff, "Ada", 1), enrol(service, caller, staff, "Eve", 2)
    voices = {"A": again(1, 0.2), "B": again(1, 0.5, seed=2), "C": again(2), "D": again(9)}
    options = IdentifyOptions(galleries=(staff.id,))
    named = service.search.identify(caller, voices, options)
    assert list(named) == list(voices)
    matches = {label: each.match and each.match.speaker_id for label, each in named.items()}
    assert matches == {"A": ada.id, "B": None, "C": eve.id, "D": None}
    assert told(named["B"])[0] == "Ada"
    shared = IdentifyOptions(galleries=(staff.id,), exclusive=False)
    named = service.search.identify(caller, voices, shared)
    assert named["B"].match is not None
    assert named["B"].match.speaker_id == ada.id
    entries = service.audit.list(caller, action="speaker.identify").items
    assert {entry.subject for entry in entries} == {ada.id, eve.id}
    assert len(entries) == 4


def test_voiceprints_that_were_sent_are_candidates_of_this_request_alone(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    jobs_only = Caller(tenant_id=caller.tenant_id, key_id="EK2", scopes=frozenset({Scope.JOBS}))
    sent = [("mine", a_voice(1)), ("mine", a_voice(2)), ("yours", a_voice(3))]
    voices = {"A": again(1), "B": again(3), "C": again(9)}
    named = service.search.identify(jobs_only, voices, IdentifyOptions(), sent=sent)
    matches = {label: each.match and each.match.label for label, each in named.items()}
    assert matches == {"A": "mine", "B": "yours", "C": None}
    assert {each.speaker_id for each in named["A"].alternatives} == {None}
    ada = enrol(service, caller, staff, "Ada", 9)
    both = service.search.identify(
        caller, voices, IdentifyOptions(galleries=(staff.id,)), sent=sent
    )
    assert both["C"].match is not None
    assert both["C"].match.speaker_id == ada.id
    assert both["B"].match is not None
    assert both["B"].match.speaker_id is None
    assert service.search.identify(jobs_only, {}, IdentifyOptions(), sent=sent) == {}


def test_when_the_list_of_changes_was_forgotten_all_is_read_again(
    service: Service, also: Service, caller: Caller, staff: Gallery
) -> None:
    enrol(service, caller, staff, "Ada", 1)
    assert searched(also, caller, staff, 1) is not None
    before = also.search.indexes.current(staff.id, 0, time.time())
    late = enrol(service, caller, staff, "Late", 5)
    with service.store.database.write() as connection:
        gallery_rows.forget_changes(connection, time.time() + 1)
    assert searched(also, caller, staff, 5) == late.id
    assert also.search.indexes.current(staff.id, 0, time.time()) is not before


def test_who_is_gone_is_in_memory_no_more_though_nobody_searches(
    service: Service, also: Service, caller: Caller, staff: Gallery
) -> None:
    other = service.galleries.create(caller, name="other")
    ada, eve = enrol(service, caller, staff, "Ada", 1), enrol(service, caller, staff, "Eve", 2)
    for gallery in (staff, other):
        searched(also, caller, gallery, 1)
    indexes = also.search.indexes
    index = indexes.current(staff.id, 0, time.time())
    assert (ada.id in index, eve.id in index) == (True, True)
    service.speakers.erase(caller, ada.id)
    service.galleries.delete(caller, other.id)
    with service.store.database.write() as connection:
        connection.execute(speakers.update().filter_by(id=eve.id).values(expires_at=time.time()))
        gallery_rows.touch(connection, staff.id, [eve.id])
    indexes.refresh()
    assert (ada.id in index, eve.id in index, len(index)) == (False, False, 0)
    assert indexes.loaded() == [staff.id]


def test_many_who_expire_or_change_at_once_are_read_anew(
    service: Service, also: Service, caller: Caller, staff: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_gallery_index, "_MANY", 2)
    people = [enrol(service, caller, staff, str(number), number) for number in range(5)]
    indexes, now = also.search.indexes, time.time()
    first = indexes.current(staff.id, 0, now)
    assert len(first) == 5
    ends = max(each.expires_at for each in people)
    later = indexes.current(staff.id, 0, ends)
    assert later is not first
    assert len(later) == 0
    with service.store.database.write() as connection:
        gallery_rows.touch(connection, staff.id, [each.id for each in people])
    again = indexes.current(staff.id, staff.revision + 15, now)
    assert again is not later
    assert len(again) == 5


def test_galleries_searched_long_ago_make_room(service: Service, caller: Caller) -> None:
    indexes = GalleryIndexes(service.store, service.search.calibration, most_speakers=3)
    galleries = [service.galleries.create(caller, name=f"gallery {i}") for i in range(3)]
    for i, gallery in enumerate(galleries):
        for number in range(2):
            enrol(service, caller, gallery, f"person {number}", 10 * i + number)

    def loaded(*numbers: int) -> list[str]:
        for number in numbers:
            indexes.current(galleries[number].id, 2, time.time())
        return indexes.loaded()

    assert loaded(0, 1) == [galleries[1].id]
    assert loaded(0, 2) == [galleries[2].id]
    roomy = GalleryIndexes(service.store, service.search.calibration, most_speakers=4)
    indexes = roomy
    assert loaded(0, 1, 0, 2) == [galleries[0].id, galleries[2].id]


def test_whoever_lacks_a_data_key_is_left_out(
    service: Service, also: Service, caller: Caller, staff: Gallery
) -> None:
    ada, eve = enrol(service, caller, staff, "Ada", 1), enrol(service, caller, staff, "Eve", 2)
    service.store.vault.forget(ada.id)
    assert (searched(also, caller, staff, 1), searched(also, caller, staff, 2)) == (None, eve.id)
    # Enrolled again, they have a new one, which does not fit what is there of before.
    service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(1))
    for which in (service, also):
        assert searched(which, caller, staff, 2) == eve.id
        assert searched(which, caller, staff, 1) == ada.id


def test_searches_go_on_while_the_gallery_changes(
    service: Service, caller: Caller, staff: Gallery
) -> None:
    ada = enrol(service, caller, staff, "Ada", 1)
    failures: list[object] = []
    over = threading.Event()

    def search() -> None:
        while not over.is_set():
            if (found := searched(service, caller, staff, 1)) != ada.id:
                failures.append(found)

    thread = threading.Thread(target=search)
    thread.start()
    for number in range(20, 23):
        late = enrol(service, caller, staff, f"person {number}", number)
        assert searched(service, caller, staff, number) == late.id
        service.speakers.erase(caller, late.id)
        assert searched(service, caller, staff, number) is None
    over.set()
    thread.join()
    assert not failures


def test_a_calibration_of_ones_own_is_used_and_a_broken_one_told_of(
    service: Service, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(service.search.calibration.to_json())
    settings = Settings(data_dir=tmp_path / "own", calibration=file)
    assert Service(store_on(database, settings)).search.calibration == service.search.calibration
    file.write_text("{}")
    with pytest.raises(InvalidInput, match=r"calibration\.json"):
        _ = Service(store_on(database, settings)).search.calibration

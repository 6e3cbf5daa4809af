"""Merging and splitting speakers, on both databases, and taking it back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from callers import new_caller
from earmark.errors import Conflict, Gone, InvalidOption, NotFound
from earmark.service import Caller, Gallery, Idempotency, NewConsent, Scope, Service, Speaker
from earmark.settings import Settings
from earmark.storage import Database, samples, speakers, voiceprints
from earmark.voiceprints import DEFAULT_MODEL
from stores import store_on
from voices import a_voice, voices_of
from waiting import until

T = TypeVar("T")

_AGREED = NewConsent(subject="Somebody", text="Yes.")


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(store_on(database, Settings(data_dir=tmp_path)))


@pytest.fixture
def caller(service: Service) -> Caller:
    return new_caller(service.store, "acme", Scope.GALLERIES)


@pytest.fixture
def gallery(service: Service, caller: Caller) -> Gallery:
    return service.galleries.create(caller, name="staff")


def _speaker(service: Service, caller: Caller, gallery: Gallery, *voices: int) -> Speaker:
    speaker = service.speakers.create(caller, gallery.id, name=f"{voices}", consent=_AGREED)
    for voice in voices:
        service.enrolment.enroll_voiceprint(caller, speaker.id, a_voice(voice))
    return speaker


def _counting(service: Service, gallery: Gallery, *speakers: Speaker) -> dict[str, int]:
    """Speaker -> how many voiceprints count for them."""
    ids = [each.id for each in speakers] or None
    counts: dict[str, int] = {}
    with service.store.database.read() as connection:
        for row in voiceprints.counting(connection, gallery.id, DEFAULT_MODEL, ids):
            counts[row["counts_for"]] = counts.get(row["counts_for"], 0) + 1
    return counts


def test_merged_voiceprints_count_for_the_other_until_unmerged(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    one = _speaker(service, caller, gallery, 1, 2)
    two = _speaker(service, caller, gallery, 3)
    before = service.galleries.get(caller, gallery.id).revision
    merged = service.speakers.merge(caller, one.id, two.id)
    assert merged.merged_into == two.id
    assert _counting(service, gallery) == {two.id: 3}
    assert _counting(service, gallery, one) == {}
    assert _counting(service, gallery, two) == {two.id: 3}
    assert service.speakers.merge(caller, one.id, two.id) == merged
    assert service.galleries.get(caller, gallery.id).revision == before + 2
    assert len(service.speakers.voiceprints(caller, one.id)) == 2  # they are still theirs
    unmerged = service.speakers.unmerge(caller, one.id)
    assert unmerged.merged_into is None
    assert service.speakers.unmerge(caller, one.id) == unmerged
    assert _counting(service, gallery) == {one.id: 2, two.id: 1}
    actions = [entry.action for entry in service.audit.list(caller, subject=one.id).items]
    assert actions[:2] == ["speaker.unmerge", "speaker.merge"]


def test_consent_of_each_stays_their_own(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    one = _speaker(service, caller, gallery, 1, 2)
    two = _speaker(service, caller, gallery, 3)
    service.speakers.merge(caller, one.id, two.id)
    service.speakers.withdraw(caller, one.id)
    assert _counting(service, gallery) == {two.id: 1}
    service.speakers.add_consent(caller, one.id, _AGREED)
    service.speakers.withdraw(caller, two.id)
    assert _counting(service, gallery) == {}
    service.speakers.unmerge(caller, one.id)
    assert _counting(service, gallery) == {one.id: 2}


def test_merges_that_make_no_sense_are_refused(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    one, two, three = (_speaker(service, caller, gallery, number) for number in range(3))
    elsewhere = service.galleries.create(caller, name="guests")
    guest = _speaker(service, caller, elsewhere, 5)
    with pytest.raises(InvalidOption, match="into themselves"):
        service.speakers.merge(caller, one.id, one.id)
    with pytest.raises(NotFound):
        service.speakers.merge(caller, one.id, guest.id)
    stranger = new_caller(service.store, "stranger", Scope.GALLERIES)
    with pytest.raises(NotFound):
        service.speakers.merge(stranger, one.id, two.id)
    service.speakers.merge(caller, one.id, two.id)
    for pair in ((one, three), (three, one), (two, one)):
        with pytest.raises(Conflict, match="is merged into"):
            service.speakers.merge(caller, pair[0].id, pair[1].id)
    with pytest.raises(Conflict, match=f"'{one.id}' is merged into '{two.id}'"):
        service.speakers.merge(caller, two.id, three.id)
    assert _counting(service, gallery) == {two.id: 2, three.id: 1}


def test_a_split_moves_voiceprints_and_a_merge_brings_them_back(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    one = _speaker(service, caller, gallery, 1, 2, 3)
    held = service.speakers.voiceprints(caller, one.id)
    promise = Idempotency(key="k", fingerprint="f" * 64)
    ids = [held[1].id, held[2].id]
    new = service.speakers.split(caller, one.id, ids, name="Another", idempotency=promise)
    assert (new.name, new.split_from, new.gallery_id) == ("Another", one.id, gallery.id)
    assert new.expires_at == one.expires_at
    assert service.speakers.split(caller, one.id, ids, name="x", idempotency=promise) == new
    assert voices_of(service, caller, one.id) == (a_voice(1),)
    assert voices_of(service, caller, new.id) == (a_voice(2), a_voice(3))
    assert _counting(service, gallery) == {one.id: 1, new.id: 2}
    (consent,) = service.speakers.consents(caller, new.id)
    assert (consent.subject, consent.text) == (_AGREED.subject, _AGREED.text)
    service.speakers.merge(caller, new.id, one.id)
    assert _counting(service, gallery) == {one.id: 3}


def test_what_is_split_off_outlives_the_other(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    one = _speaker(service, caller, gallery, 1, 2)
    held = service.speakers.voiceprints(caller, one.id)
    new = service.speakers.split(caller, one.id, [held[0].id], name="Another")
    service.speakers.erase(caller, one.id)
    assert voices_of(service, caller, new.id) == (a_voice(1),)


def test_a_sample_goes_with_its_voiceprint(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    one = _speaker(service, caller, gallery, 1, 2)
    held = service.speakers.voiceprints(caller, one.id)
    vault, blobs = service.store.vault, service.store.blobs
    blobs.put("samples/t/s", vault.seal(one.id, b"RIFF", purpose="sample"))
    with service.store.database.write() as connection:
        samples.insert(
            connection,
            {
                "id": "s",
                "tenant_id": caller.tenant_id,
                "speaker_id": one.id,
                "name": "a.wav",
                "sha256": "0" * 64,
                "duration_s": 1.0,
                "net_speech_s": 1.0,
                "quality": "good",
                "blob": "samples/t/s",
                "size": 4,
                "options": {},
                "created_at": 0.0,
            },
        )
        assert voiceprints.update(connection, held[0].id, {"sample_id": "s"})
    new = service.speakers.split(caller, one.id, [held[0].id], name="Another")
    assert service.speakers.samples(caller, one.id) == ()
    assert [each.id for each in service.speakers.samples(caller, new.id)] == ["s"]
    assert service.speakers.sample_audio(caller, "s", speaker_id=new.id) == b"RIFF"
    assert len(list(blobs.list("samples"))) == 1
    service.speakers.delete_voiceprint(caller, held[0].id)
    assert service.speakers.samples(caller, new.id) == ()
    assert list(blobs.list("samples")) == []


def test_splits_that_make_no_sense_are_refused(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    one = _speaker(service, caller, gallery, 1, 2)
    other = _speaker(service, caller, gallery, 3)
    held = [each.id for each in service.speakers.voiceprints(caller, one.id)]
    for named in ([], held):
        with pytest.raises(InvalidOption, match=f"{len(named)} of 2 were named"):
            service.speakers.split(caller, one.id, named, name="Another")
    (theirs,) = service.speakers.voiceprints(caller, other.id)
    with pytest.raises(NotFound, match="of this speaker"):
        service.speakers.split(caller, one.id, [theirs.id], name="Another")
    assert service.speakers.list(caller, gallery.id).total == 2


def test_rivals_split_once_and_leave_no_data_keys(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    one = _speaker(service, caller, gallery, 1, 2)
    first, _ = service.speakers.voiceprints(caller, one.id)
    together = threading.Barrier(4)
    outcomes: list[str] = []

    def split() -> None:
        together.wait()
        try:
            made = service.speakers.split(caller, one.id, [first.id], name="Another")
        except (Conflict, Gone, InvalidOption, NotFound):
            outcomes.append("")
        else:
            outcomes.append(made.id)

    threads = [threading.Thread(target=split) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    (new,) = filter(None, outcomes)
    assert voices_of(service, caller, new) == (a_voice(1),)
    assert service.store.vault.status().data_keys == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_is_merged_while_an_erasure_waits_is_erased_too(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    one, two, other = (_speaker(service, caller, gallery, number) for number in range(3))
    outcome = _while_merging(service, one, two, lambda: service.speakers.erase(caller, two.id))
    document = json.loads(outcome.result().document)
    assert document["speakers"] == [two.id, one.id]
    assert document["counts"]["voiceprints"] == 2
    assert [each.id for each in service.speakers.list(caller, gallery.id).items] == [other.id]
    assert service.store.vault.status().data_keys == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_merges_at_the_same_time_make_no_chain(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    one, two, three = (_speaker(service, caller, gallery, number) for number in range(3))
    outcome = _while_merging(
        service, one, two, lambda: service.speakers.merge(caller, two.id, three.id)
    )
    with pytest.raises(Conflict, match=f"'{one.id}' is merged into '{two.id}'"):
        outcome.result()


def _while_merging(
    service: Service, speaker: Speaker, into: Speaker, do: Callable[[], T]
) -> Future[T]:
    """Do something that has to wait for a merge, which is committed once it waits."""
    with ThreadPoolExecutor(1) as pool:
        with service.store.database.write() as connection:
            speakers.family(connection, [speaker.id, into.id], lock=True)
            speakers.update(connection, speaker.id, {"merged_into": into.id})
            outcome = pool.submit(do)
            until(
                lambda: _somebody_waits(service) or outcome.done(), what="a lock to be waited for"
            )
        return outcome


def _somebody_waits(service: Service) -> bool:
    with service.store.database.read() as connection:
        waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"
        return bool(connection.exec_driver_sql(waiting).scalar())

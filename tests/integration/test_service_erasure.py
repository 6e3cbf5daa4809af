"""Erasure, on both databases: what goes, what stays, and the proof of it."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from callers import new_caller
from earmark.errors import ConsentRequired, Gone, NotFound
from earmark.service import Caller, Gallery, NewConsent, Scope, Service, Speaker
from earmark.service._sweeper import sweep
from earmark.settings import Settings
from earmark.storage import Database, samples, speakers, sweep_orphans, voiceprints
from earmark.storage._schema import metadata
from earmark.voiceprints import DEFAULT_MODEL
from stores import store_on
from voices import a_voice, voices_of
from waiting import until

_AGREED = NewConsent(subject="Ada Byron", text="Know me by my voice.", purpose="the door")


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(store_on(database, Settings(data_dir=tmp_path)))


@pytest.fixture
def caller(service: Service) -> Caller:
    return new_caller(service.store, "acme", Scope.GALLERIES)


@pytest.fixture
def gallery(service: Service, caller: Caller) -> Gallery:
    return service.galleries.create(caller, name="staff")


def _enrolled(service: Service, caller: Caller, gallery: Gallery, voice: int = 1) -> Speaker:
    """A speaker with a voiceprint and a kept sample."""
    speaker = service.speakers.create(
        caller, gallery.id, name="Ada Byron", key=f"ada-{voice}", consent=_AGREED
    )
    service.enrolment.enroll_voiceprint(caller, speaker.id, a_voice(voice))
    blob = f"samples/{caller.tenant_id}/{speaker.id}"
    sealed = service.store.vault.seal(speaker.id, b"RIFF", purpose="sample")
    service.store.blobs.put(blob, sealed)
    with service.store.database.write() as connection:
        samples.insert(
            connection,
            {
                "id": speaker.id,
                "tenant_id": caller.tenant_id,
                "speaker_id": speaker.id,
                "name": "ada-byron.wav",
                "sha256": "0" * 64,
                "duration_s": 1.0,
                "net_speech_s": 1.0,
                "quality": "good",
                "blob": blob,
                "size": 4,
                "options": {},
                "created_at": 0.0,
            },
        )
    return speaker


def _all_text(service: Service) -> str:
    """Everything in the database that is not binary."""
    with service.store.database.read() as connection:
        rows = [
            row for table in metadata.sorted_tables for row in connection.execute(table.select())
        ]
    return "\n".join(str(value) for row in rows for value in row if not isinstance(value, bytes))


def test_what_is_kept_of_a_person_goes_and_a_signed_receipt_comes(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    ada = _enrolled(service, caller, gallery)
    told = NewConsent(subject="Bob", text="Yes.")
    other = service.speakers.create(caller, gallery.id, name="Bob", consent=told)
    service.enrolment.enroll_voiceprint(caller, other.id, a_voice(2))
    with service.store.database.read() as connection:
        (held,) = voiceprints.of_speakers(connection, [ada.id])
    revision = service.galleries.get(caller, gallery.id).revision
    receipt = service.speakers.erase(caller, ada.id)

    with pytest.raises(Gone):
        service.store.vault.open(ada.id, held["sealed"], purpose="voiceprint")
    assert list(service.store.blobs.list("samples")) == []
    text = _all_text(service)
    assert ada.id in text  # in the log and the receipt alone
    for trace in ("Ada Byron", "ada-1", "ada-byron", _AGREED.text):
        assert trace not in text
    assert service.galleries.get(caller, gallery.id).revision > revision
    assert voices_of(service, caller, other.id) == (a_voice(2),)

    document = json.loads(receipt.document)
    (entry,) = service.audit.list(caller, action="speaker.erase").items
    assert document["schema"] == "earmark.erasure/1"
    assert (document["speaker"], document["gallery"]) == (ada.id, gallery.id)
    assert (document["by"], document["reason"]) == (caller.key_id, "request")
    assert document["counts"] == {
        "speakers": 1,
        "voiceprints": 1,
        "samples": 1,
        "recordings": 1,
        "consents": 1,
    }
    assert document["consent_sha256"] == [hashlib.sha256(_AGREED.text.encode()).hexdigest()]
    assert document["audit"] == {"seq": entry.seq, "hash": entry.hash}
    assert entry.details["receipt"] == receipt.id
    assert service.receipts.get(caller, receipt.id) == receipt
    assert service.receipts.list(caller).items == (receipt,)
    assert service.receipts.list(caller, speaker_id=other.id).items == ()


def test_anybody_can_check_a_receipt(service: Service, caller: Caller, gallery: Gallery) -> None:
    receipt = service.speakers.erase(caller, _enrolled(service, caller, gallery).id)
    raw = base64.b64decode(service.receipts.public_key)
    assert json.loads(receipt.document)["public_key"] == service.receipts.public_key
    signature = base64.b64decode(receipt.signature)
    Ed25519PublicKey.from_public_bytes(raw).verify(signature, receipt.document.encode())
    pem = load_pem_public_key(service.receipts.public_key_pem.encode())
    assert isinstance(pem, Ed25519PublicKey)
    assert pem.public_bytes_raw() == raw
    assert service.receipts.verify(receipt.document, receipt.signature)
    altered = receipt.document.replace('"voiceprints":1', '"voiceprints":2')
    assert altered != receipt.document
    assert not service.receipts.verify(altered, receipt.signature)
    for signature_text in ("", "nonsense", base64.b64encode(b"x" * 64).decode()):
        assert not service.receipts.verify(receipt.document, signature_text)
    stranger = new_caller(service.store, "stranger", Scope.GALLERIES)
    with pytest.raises(NotFound):
        service.receipts.get(stranger, receipt.id)
    assert service.receipts.list(stranger).items == ()


def test_receipts_and_the_log_hold_each_other(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    service.speakers.erase(caller, _enrolled(service, caller, gallery).id)
    service.galleries.create(caller, name="later")
    statement = 'UPDATE receipts SET document = replace(document, \'"hash":"\', \'"hash":"0\')'
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        _execute(service, statement)
    assert service.audit.verify(caller).broken is None
    if service.store.database.embedded:
        _execute(service, "DROP TRIGGER receipts_no_update")
    else:
        _execute(service, "DROP TRIGGER receipts_append_only ON receipts")
    _execute(service, statement)
    found = service.audit.verify(caller)
    (entry,) = service.audit.list(caller, action="speaker.erase").items
    assert (found.broken, found.reason) == (
        entry.seq,
        f"entry {entry.seq} is not the one that a receipt names",
    )


def test_a_log_that_grows_is_no_false_alarm(
    service: Service, caller: Caller, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.service._audit._AT_ONCE", 5)
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            speaker = service.speakers.create(caller, gallery.id, name="Ada")
            service.speakers.erase(caller, speaker.id)

    writer = threading.Thread(target=write)
    writer.start()
    found = [service.audit.verify(caller)]

    def has_grown() -> bool:
        found.append(service.audit.verify(caller))
        return len(found) >= 10 and found[0].entries < found[-1].entries

    try:
        until(has_grown, what="the log to grow")
    finally:
        over.set()
        writer.join()
    assert {each.reason for each in found} == {None}


def test_a_log_without_its_last_entries_is_found_out_by_a_receipt(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    receipt = service.speakers.erase(caller, _enrolled(service, caller, gallery).id)
    (entry,) = service.audit.list(caller, action="speaker.erase").items
    for guard in ("audit_no_delete", "audit_no_update"):
        if service.store.database.embedded:
            _execute(service, f"DROP TRIGGER IF EXISTS {guard}")
    if not service.store.database.embedded:
        _execute(service, "DROP TRIGGER audit_append_only ON audit")
    _execute(service, f"DELETE FROM audit WHERE seq = {entry.seq}")
    _execute(
        service,
        f"UPDATE audit_heads SET seq = {entry.seq - 1}, hash = '{entry.previous}'",
    )
    found = service.audit.verify(caller)
    assert json.loads(receipt.document)["audit"]["seq"] == found.broken == entry.seq
    assert "which a receipt names" in str(found.reason)


def test_who_is_merged_into_one_is_erased_with_them(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    one, two, three = (_enrolled(service, caller, gallery, voice) for voice in range(3))
    service.speakers.merge(caller, one.id, two.id)
    service.speakers.merge(caller, three.id, two.id)
    service.speakers.erase(caller, three.id)
    with service.store.database.read() as connection:
        rows = voiceprints.counting(connection, gallery.id, DEFAULT_MODEL).all()
    assert [row["counts_for"] for row in rows] == [two.id, two.id]
    receipt = json.loads(service.speakers.erase(caller, two.id).document)
    assert receipt["speakers"] == [two.id, one.id]
    assert receipt["counts"]["voiceprints"] == 2
    assert service.speakers.list(caller, gallery.id).total == 0


def test_a_gallery_is_deleted_with_a_receipt_for_each(
    service: Service, caller: Caller, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.service._galleries._AT_ONCE", 2)
    people = [_enrolled(service, caller, gallery, voice) for voice in range(3)]
    service.galleries.delete(caller, gallery.id)
    receipts = service.receipts.list(caller).items
    assert {receipt.speaker_id for receipt in receipts} == {each.id for each in people}
    assert {json.loads(receipt.document)["reason"] for receipt in receipts} == {"gallery"}
    assert service.store.vault.status().data_keys == 0
    with pytest.raises(NotFound):
        service.galleries.get(caller, gallery.id)


def test_an_erasure_that_was_cut_off_is_finished_by_the_sweeper(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    ada = _enrolled(service, caller, gallery)
    with service.store.database.write() as connection:  # as far as a process may have come
        speakers.doom(connection, [ada.id], time.time())
    service.store.vault.forget(ada.id)
    with pytest.raises(NotFound):
        service.speakers.get(caller, ada.id)
    sweep(service, time.time())
    assert service.receipts.list(caller, speaker_id=ada.id).total == 1
    assert list(service.store.blobs.list("samples")) == []


def test_recordings_without_a_row_are_swept_and_no_others(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    ada = _enrolled(service, caller, gallery)
    blobs = service.store.blobs
    blobs.put(f"samples/{caller.tenant_id}/left-behind", b"sealed")
    assert sweep_orphans(service.store.database, blobs, time.time() + 7200) == 1
    assert service.speakers.sample_audio(caller, ada.id) == b"RIFF"


def test_no_match_keeps_somebody_who_is_being_erased(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    ada = _enrolled(service, caller, gallery)
    with service.store.database.write() as connection:
        speakers.doom(connection, [ada.id], time.time())
        assert speakers.matched(connection, [ada.id], now=time.time(), expiry_s=1e9) == 0
        row = speakers.fetch(connection, ada.id)
    assert row is not None
    assert row["expires_at"] == 0.0


def test_nothing_appears_after_an_erasure_while_others_enrol(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    ada = service.speakers.create(caller, gallery.id, name="Ada", consent=_AGREED)
    under_way = threading.Barrier(5)
    refused: list[Exception] = []

    def enrol(number: int) -> None:
        under_way.wait()
        try:
            for turn in range(50):
                service.enrolment.enroll_voiceprint(caller, ada.id, a_voice(100 * number + turn))
        except (NotFound, ConsentRequired) as error:
            refused.append(error)

    threads = [threading.Thread(target=enrol, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    under_way.wait()
    service.speakers.erase(caller, ada.id)
    for thread in threads:
        thread.join()
    assert len(refused) == 4
    with service.store.database.read() as connection:
        assert voiceprints.of_speakers(connection, [ada.id]) == []
        assert voiceprints.counting(connection, gallery.id, DEFAULT_MODEL).all() == []
    assert service.store.vault.status().data_keys == 0
    assert service.audit.verify(caller).broken is None


def test_rivals_erase_once(service: Service, caller: Caller, gallery: Gallery) -> None:
    ada = _enrolled(service, caller, gallery)
    together = threading.Barrier(4)
    outcomes: list[str] = []

    def erase() -> None:
        together.wait()
        try:
            outcomes.append(service.speakers.erase(caller, ada.id).id)
        except NotFound:
            outcomes.append("")

    threads = [threading.Thread(target=erase) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (receipt,) = service.receipts.list(caller).items
    assert sorted(outcomes) == ["", "", "", receipt.id]


def test_an_old_copy_of_the_database_no_longer_yields_the_print(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    service = Service.open(settings)
    caller = new_caller(service.store, "acme", Scope.GALLERIES)
    gallery = service.galleries.create(caller, name="staff")
    ada, bob = (_enrolled(service, caller, gallery, voice) for voice in (1, 2))
    service.close()
    database = settings.data_dir / "earmark.db"
    shutil.copy(database, tmp_path / "old.db")

    service = Service.open(settings)
    service.speakers.erase(caller, ada.id)
    service.close()
    for file in settings.data_dir.glob("earmark.db*"):
        file.unlink()
    shutil.copy(tmp_path / "old.db", database)

    service = Service.open(settings)
    assert service.speakers.get(caller, ada.id).name == "Ada Byron"
    assert voices_of(service, caller, bob.id) == (a_voice(2),)
    with pytest.raises(Gone, match="data key was deleted"):
        voices_of(service, caller, ada.id)
    assert service.speakers.export(caller, ada.id)["voiceprints"][0]["voiceprint"] is None
    service.close()


def test_the_file_of_the_database_holds_no_trace(tmp_path: Path) -> None:
    service = Service.open(Settings(data_dir=tmp_path / "data"))
    caller = new_caller(service.store, "acme", Scope.GALLERIES)
    ada = _enrolled(service, caller, service.galleries.create(caller, name="staff"))
    files = tmp_path / "data"
    assert _contain(files, b"Ada Byron")
    service.speakers.erase(caller, ada.id)
    with service.store.database.read() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not _contain(files, b"Ada Byron")
    service.close()


def _contain(folder: Path, trace: bytes) -> bool:
    return any(trace in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def _execute(service: Service, statement: str) -> None:
    with service.store.database.write() as connection:
        connection.exec_driver_sql(statement)

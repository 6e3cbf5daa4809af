"""A gallery without a server: whom it finds by a name, and what it removes when it is opened."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from earmark.errors import Conflict, NotFound
from earmark.service import Caller, LocalGallery, Scope, Service
from earmark.settings import Settings
from earmark.storage import samples, speakers


def test_people_are_found_by_the_name_that_they_have_now(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with LocalGallery("team", settings=settings) as gallery:
        service, caller, place = _server(settings)
        ada = service.speakers.create(caller, place, name="Ada")  # as the native API does
        assert gallery.speaker("Ada") == ada
        service.speakers.update(caller, ada.id, name="Bea")
        assert gallery.speaker("Bea").id == ada.id
        with pytest.raises(NotFound):
            gallery.speaker("Ada")
        again = service.speakers.create(caller, place, name="Bea")
        with pytest.raises(Conflict, match="Several people in this gallery are called 'Bea'"):
            gallery.speaker("Bea")
        assert gallery.speaker(again.id) == again
        service.speakers.merge(caller, again.id, ada.id)
        assert gallery.speaker("Bea").id == ada.id
        elsewhere = service.galleries.create(caller, name="others").id
        guest = service.speakers.create(caller, elsewhere, name="Cy")
        for name in ("Cy", guest.id):
            with pytest.raises(NotFound):
                gallery.speaker(name)
        service.close()


def test_who_has_expired_is_erased_when_a_gallery_is_opened(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    LocalGallery("team", settings=settings).close()
    service, caller, place = _server(settings)
    ada = service.speakers.create(caller, place, name="Ada")
    with service.media.writer(caller, dialect="native", owned=True, retention_s=0.0) as writer:
        writer.write(b"RIFF")
        writer.commit()
    with service.store.database.write() as connection:
        speakers.update(connection, ada.id, {"expires_at": time.time() - 1})
    assert list(service.store.blobs.list("media"))
    LocalGallery("team", create=False, settings=settings).close()
    assert service.receipts.list(caller, speaker_id=ada.id).total == 1
    assert list(service.store.blobs.list("media")) == []
    service.close()


def test_kept_audio_is_exported_into_a_folder(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    with LocalGallery("team", settings=settings) as gallery:
        service, caller, place = _server(settings)
        ada = service.speakers.create(caller, place, name="Ada")
        for sample_id, blob in (("kept", "samples/kept"), ("gone", "samples/gone"), ("not", None)):
            _add_sample(service, caller, ada.id, sample_id, blob)
        sealed = service.store.vault.seal(ada.id, b"RIFF", purpose="sample")
        service.store.blobs.put("samples/kept", sealed)
        assert {each["audio"] for each in gallery.export("Ada")["samples"]} == {None}
        exported = gallery.export("Ada", audio=tmp_path / "audio")
        named = {each["id"]: each["audio"] for each in exported["samples"]}
        assert named == {"kept": "kept", "gone": None, "not": None}
        (file,) = (tmp_path / "audio").iterdir()
        assert file.read_bytes() == b"RIFF"
        assert file.stat().st_mode & 0o777 == 0o600
        service.close()


def _add_sample(
    service: Service, caller: Caller, speaker_id: str, sample_id: str, blob: str | None
) -> None:
    values = {
        "id": sample_id,
        "tenant_id": caller.tenant_id,
        "speaker_id": speaker_id,
        "name": "ada.wav",
        "sha256": "0" * 64,
        "duration_s": 1.0,
        "net_speech_s": 1.0,
        "quality": "good",
        "blob": blob,
        "size": None,
        "options": {},
        "created_at": 0.0,
    }
    with service.store.database.write() as connection:
        samples.insert(connection, values)


def _server(settings: Settings) -> tuple[Service, Caller, str]:
    """What a server on the same machine sees, and the gallery's id."""
    service = Service.open(settings)
    tenant = service.tenants.ensure("default").id
    caller = Caller(tenant_id=tenant, key_id=None, scopes=frozenset({Scope.ADMIN}))
    return service, caller, service.galleries.by_key(caller, "native", "team").id

"""Recordings in the library: limits, keys, retention and whose they are; on both databases."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from callers import new_caller
from earmark.errors import Conflict, DiskFull, Forbidden, InvalidOption, MediaTooLarge, NotFound
from earmark.service import Caller, JobKind, Jobs, Media, MediaLibrary, Scope, Store, Submission
from earmark.settings import Settings
from earmark.storage import Database, sweep_orphans, tenants
from earmark.storage import jobs as job_rows
from earmark.storage import media as rows
from stores import store_on

_HOUR = 3600.0
_MIB = 1 << 20


def _store(database: Database, folder: Path, **settings: int) -> Store:
    chosen = Settings(data_dir=folder, **settings)  # type: ignore[arg-type]
    return store_on(database, chosen)


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Store:
    return _store(database, tmp_path, max_upload_bytes=1000)


@pytest.fixture
def library(store: Store) -> MediaLibrary:
    return MediaLibrary(store)


@pytest.fixture
def caller(store: Store) -> Caller:
    return new_caller(store)


def _put(
    library: MediaLibrary,
    caller: Caller,
    data: bytes = b"sound",
    *,
    key: str | None = None,
    owned: bool = False,
    at_once: bool = False,
    retention_s: float | None = None,
) -> Media:
    with library.writer(
        caller,
        dialect="native",
        key=key,
        owned=owned,
        at_once=at_once,
        retention_s=retention_s,
    ) as writer:
        writer.write(data)
        return writer.commit()


def _submit(store: Store, caller: Caller, media: Media) -> str:
    submission = Submission(dialect="native", kind=JobKind.DIARIZE, media=media)
    return Jobs(store).submit(caller, submission).job.id


def _end(store: Store, job_id: str) -> None:
    with store.database.write() as connection:
        assert job_rows.update(connection, job_id, {"state": "succeeded"})


def _blobs(store: Store) -> list[str]:
    return [blob.path for blob in store.blobs.list("media")]


def test_a_recording_is_kept_as_it_came(library: MediaLibrary, caller: Caller) -> None:
    began = time.time()
    with library.writer(caller, dialect="native", name="call.wav", retention_s=60) as writer:
        for piece in (b"some ", b"", b"sound"):
            writer.write(piece)
        media = writer.commit()
    assert library.get(caller, media.id) == media
    assert b"".join(library.stream(media)) == b"some sound"
    assert (media.name, media.size, media.owned) == ("call.wav", 10, False)
    assert media.sha256 == hashlib.sha256(b"some sound").hexdigest()
    assert began <= media.created_at <= time.time()
    assert media.expires_at == media.created_at + 60


def test_a_recording_is_there_only_when_committed(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    with library.writer(caller, dialect="native", key="k") as writer:
        writer.write(b"sound")
    writer.abort()
    with pytest.raises(NotFound):
        library.by_key(caller, "native", "k")
    assert _blobs(store) == []


def test_a_recording_may_have_as_many_bytes_as_the_setting_says(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    for data in (b"x" * 1000, b""):
        assert _put(library, caller, data).size == len(data)
    with library.writer(caller, dialect="native", announced=1000):
        pass
    writer = library.writer(caller, dialect="native")
    writer.write(b"x" * 1000)
    with pytest.raises(MediaTooLarge, match="1001 bytes") as caught:
        writer.write(b"x")
    assert (caught.value.size, caught.value.limit) == (1001, 1000)
    with pytest.raises(MediaTooLarge) as caught:
        library.writer(caller, dialect="native", announced=1001)
    assert (caught.value.size, caught.value.limit) == (1001, 1000)
    assert len(_blobs(store)) == 2
    assert store.blobs.sweep_partial(-60) == 0


def test_the_reserve_is_kept_free(database: Database, tmp_path: Path) -> None:
    free = _store(database, tmp_path).blobs.free_bytes()
    caller = new_caller(_store(database, tmp_path))
    full = MediaLibrary(_store(database, tmp_path, reserve_bytes=2 * free))
    with pytest.raises(DiskFull, match="make room"):
        full.writer(caller, dialect="native")
    half = _store(database, tmp_path, reserve_bytes=free // 2, max_upload_bytes=free)
    with pytest.raises(DiskFull):
        MediaLibrary(half).writer(caller, dialect="native", announced=free * 3 // 4)
    with MediaLibrary(half).writer(caller, dialect="native", announced=free // 4):
        pass


def test_the_reserve_is_kept_free_while_bytes_come(database: Database, tmp_path: Path) -> None:
    free = _store(database, tmp_path).blobs.free_bytes()
    store = _store(database, tmp_path, reserve_bytes=free - 16 * _MIB)
    writer = MediaLibrary(store).writer(new_caller(store), dialect="native")

    def write_on() -> None:
        for _ in range(512):
            writer.write(bytes(_MIB))

    with pytest.raises(DiskFull):
        write_on()
    assert store.blobs.sweep_partial(-60) == 0


def test_a_key_leads_to_what_was_put_there_last(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    first = _put(library, caller, b"first", key="a/b")
    assert library.by_key(caller, "native", "a/b") == first
    second = _put(library, caller, b"second", key="a/b")
    assert library.by_key(caller, "native", "a/b") == second
    with pytest.raises(NotFound):
        library.get(caller, first.id)
    assert library.sweep(time.time()) == 1
    assert _blobs(store) == [second.blob]


def test_keys_are_per_tenant_and_dialect(library: MediaLibrary, store: Store) -> None:
    one, two = new_caller(store, "one"), new_caller(store, "two")
    ours, theirs = _put(library, one, key="k"), _put(library, two, key="k")
    assert library.by_key(one, "native", "k") == ours
    assert library.by_key(two, "native", "k") == theirs
    with pytest.raises(NotFound):
        library.by_key(one, "pyannoteai", "k")


def test_writers_of_one_key_at_once_leave_one_recording(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    put: list[Media] = []
    threads = [
        threading.Thread(target=lambda: put.append(_put(library, caller, key="k")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(put) == 8
    assert library.by_key(caller, "native", "k") in put
    assert library.sweep(time.time()) == 7
    assert len(_blobs(store)) == 1


def test_what_is_anothers_is_as_if_it_were_not_there(library: MediaLibrary, store: Store) -> None:
    owner, stranger = new_caller(store, "owner"), new_caller(store, "stranger")
    media = _put(library, owner, key="k")
    for attempt in (library.get, library.delete):
        with pytest.raises(NotFound) as foreign:
            attempt(stranger, media.id)
        with pytest.raises(NotFound) as unknown:
            attempt(stranger, "unknown")
        assert str(foreign.value).replace(media.id, "unknown") == str(unknown.value)
    with pytest.raises(NotFound) as foreign:
        library.by_key(stranger, "native", "k")
    assert str(foreign.value) == "There is no recording 'k'."
    assert library.get(owner, media.id) == media


def test_a_key_without_the_scope_opens_nothing(library: MediaLibrary, store: Store) -> None:
    caller = new_caller(store, "live", Scope.LIVE)
    with pytest.raises(Forbidden):
        library.writer(caller, dialect="native")
    for attempt in (library.get, library.delete):
        with pytest.raises(Forbidden):
            attempt(caller, "any")
    with pytest.raises(Forbidden):
        library.by_key(caller, "native", "any")


def test_names_are_stored_as_far_as_they_can_be(library: MediaLibrary, caller: Caller) -> None:
    for name, kept in [("a\0b", "ab"), ("\udcff", "?"), ("é" * 300, "é" * 255), ("", None)]:
        with library.writer(caller, dialect="native", name=name) as writer:
            media = writer.commit()
        assert media.name == kept
        assert library.get(caller, media.id) == media


def test_keys_have_a_length(library: MediaLibrary, caller: Caller) -> None:
    assert _put(library, caller, key="k" * 255).key == "k" * 255
    for key in ("", "k" * 256):
        with pytest.raises(InvalidOption, match=f"and this one {len(key)}"):
            library.writer(caller, dialect="native", key=key)


def test_a_recording_that_a_job_needs_is_not_deleted(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    media = _put(library, caller, retention_s=0, key="k")
    kept = _put(library, caller)
    job_id = _submit(store, caller, kept)
    with pytest.raises(Conflict, match="still needs"):
        library.delete(caller, kept.id)
    _submit(store, caller, media)
    _put(library, caller, key="k")  # takes the key away from it
    assert library.sweep(time.time() + _HOUR) == 0
    _end(store, job_id)
    library.delete(caller, kept.id)
    assert kept.blob not in _blobs(store)
    with pytest.raises(NotFound):
        library.delete(caller, kept.id)


def test_a_replaced_recording_goes_when_its_job_is_over(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    old = _put(library, caller, key="k")
    job_id = _submit(store, caller, old)
    new = _put(library, caller, key="k")
    assert library.sweep(time.time()) == 0
    _end(store, job_id)
    assert library.sweep(time.time()) == 1
    assert _blobs(store) == [new.blob]


def test_a_job_that_comes_while_its_recording_is_deleted_wins(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    media = _put(library, caller)
    done = Jobs(store).submit(
        caller, Submission(dialect="native", kind=JobKind.DIARIZE, media=media)
    )
    _end(store, done.job.id)
    outcome: list[type[Exception] | None] = []

    def delete() -> None:
        try:
            library.delete(caller, media.id)
        except Conflict as error:
            outcome.append(type(error))
        else:
            outcome.append(None)

    rival = threading.Thread(target=delete)
    with store.database.write() as connection:
        assert rows.hold(connection, media.id)
        rival.start()
        assert job_rows.update(connection, done.job.id, {"state": "queued"})
    rival.join()
    assert outcome == [Conflict]
    assert library.get(caller, media.id) == media


def test_holding_what_is_gone_tells(library: MediaLibrary, caller: Caller, store: Store) -> None:
    media = _put(library, caller)
    library.delete(caller, media.id)
    with store.database.write() as connection:
        assert not rows.hold(connection, media.id)


def test_an_expired_recording_is_gone_at_once_and_swept(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    media = _put(library, caller, key="k", retention_s=0)
    for attempt in (library.get, library.delete):
        with pytest.raises(NotFound):
            attempt(caller, media.id)
    with pytest.raises(NotFound):
        library.by_key(caller, "native", "k")
    later = _put(library, caller, retention_s=100)
    assert library.sweep(later.created_at + 99) == 1
    assert library.sweep(later.created_at + 101) == 1
    assert _blobs(store) == []


def test_the_tenants_retention_holds_for_what_has_none_of_its_own(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    plain = _put(library, caller)
    _put(library, caller, retention_s=10 * _HOUR)
    assert library.sweep(plain.created_at + 9 * _HOUR) == 0  # until deleted
    with store.database.write() as connection:
        tenants.update(connection, caller.tenant_id, {"retention_s": _HOUR})
    assert library.sweep(plain.created_at + 0.9 * _HOUR) == 0
    assert library.sweep(plain.created_at + 1.1 * _HOUR) == 1
    assert len(_blobs(store)) == 1


def test_what_came_with_a_job_goes_with_it(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    media = _put(library, caller, owned=True)
    with store.database.write() as connection:
        tenants.update(connection, caller.tenant_id, {"retention_s": 1.0})  # is the job's
    job_id = _submit(store, caller, media)
    _end(store, job_id)
    assert library.sweep(time.time() + 100 * _HOUR) == 0
    Jobs(store).delete(caller, job_id)
    assert library.sweep(media.created_at + _HOUR) == 1
    assert _blobs(store) == []


def test_what_came_for_a_job_that_never_came_is_swept(
    library: MediaLibrary, caller: Caller
) -> None:
    media = _put(library, caller, owned=True)
    assert library.sweep(media.created_at + 60) == 0
    assert library.sweep(media.created_at + _HOUR) == 1


def test_what_is_answered_at_once_is_kept_while_many_wait(
    library: MediaLibrary, caller: Caller
) -> None:
    media = _put(library, caller, owned=True, at_once=True)
    assert library.sweep(media.created_at + 1.9 * _HOUR) == 0
    assert library.sweep(media.created_at + 2.1 * _HOUR) == 1


def test_what_came_with_a_request_goes_with_it_unless_a_job_took_it(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    named = _put(library, caller)
    with library.for_request(named), library.for_request(None):
        pass
    with library.for_request(_put(library, caller, owned=True)) as none:
        assert none is None
    with pytest.raises(InvalidOption), library.for_request(_put(library, caller, owned=True)):
        raise InvalidOption("The request is bad.")
    taken = _put(library, caller, owned=True)
    with library.for_request(taken):
        _end(store, _submit(store, caller, taken))
    assert sorted(_blobs(store)) == sorted([named.blob, taken.blob])
    again = _put(library, caller, owned=True)
    with library.for_request(again):
        library.delete(caller, again.id)  # who was faster


def test_all_that_is_due_is_swept(
    library: MediaLibrary, caller: Caller, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.service._media._AT_ONCE", 3)
    for _ in range(7):
        _put(library, caller, retention_s=0)
    assert library.sweep(time.time()) == 7
    assert _blobs(store) == []


def test_a_blob_without_its_row_is_swept_after_an_hour(
    library: MediaLibrary, caller: Caller, store: Store
) -> None:
    kept = _put(library, caller)
    with pytest.raises(sa.exc.IntegrityError):
        _put(library, replace(caller, tenant_id="unknown"))
    assert len(_blobs(store)) == 2
    assert sweep_orphans(store.database, store.blobs, time.time() + 0.9 * _HOUR) == 0
    assert sweep_orphans(store.database, store.blobs, time.time() + 1.1 * _HOUR) == 1
    assert _blobs(store) == [kept.blob]

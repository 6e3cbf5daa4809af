"""Uploads in parts: limits, checksums, interruption, and rivals; on both databases."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from callers import new_caller
from earmark.errors import (
    Conflict,
    DiskFull,
    Forbidden,
    InvalidInput,
    InvalidOption,
    MediaTooLarge,
    NotFound,
)
from earmark.service import Caller, Media, MediaLibrary, Scope, Store, Uploads
from earmark.service._uploads import MAX_PARTS, PART_BYTES, Part
from earmark.settings import Settings
from earmark.storage import Database, sweep_orphans
from earmark.storage._schema import uploads as table
from earmark.storage._uploads import parts
from stores import store_on

_HOUR = 3600.0
_MIB = 1 << 20
_DATA = b"0123456789"

_INTERRUPTED = """
import os, sys
from pathlib import Path
from earmark.service import Caller, Scope, Store, Uploads
from earmark.settings import Settings

store = Store.open(Settings(data_dir=Path(sys.argv[1])))
caller = Caller(tenant_id=sys.argv[2], key_id=None, scopes=frozenset({Scope.JOBS}))
for number, data in ((1, b"0123"), (3, b"89")):
    with Uploads(store).part(caller, sys.argv[3], number) as writer:
        writer.write(data)
        writer.commit()
writer = Uploads(store).part(caller, sys.argv[3], 2)
writer.write(b"45")
os._exit(9)
"""
_MEMORY = """
import resource, sys, time
from pathlib import Path
from callers import new_caller
from earmark.service import Store, Uploads
from earmark.settings import Settings

store = Store.open(Settings(data_dir=Path(sys.argv[1])))
caller, uploads = new_caller(store), Uploads(store)
def send(mib):
    upload = uploads.create(caller, size=mib << 20)
    for number in range(1, upload.parts_total + 1):
        with uploads.part(caller, upload.id, number) as writer:
            for _ in range(upload.part_bytes(number) >> 20):
                writer.write(bytes(1 << 20))
            writer.commit()
    assert uploads.complete(caller, upload.id).size == mib << 20
send(8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
send(128)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def _store(database: Database, folder: Path, **settings: int) -> Store:
    chosen = Settings(data_dir=folder, **settings)  # type: ignore[arg-type]
    return store_on(database, chosen)


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Store:
    return _store(database, tmp_path, max_upload_bytes=100_000)


@pytest.fixture
def uploads(store: Store) -> Uploads:
    return Uploads(store)


@pytest.fixture
def caller(store: Store) -> Caller:
    return new_caller(store)


def _send(
    uploads: Uploads, caller: Caller, upload_id: str, number: int, data: bytes, sha256: str = ""
) -> Part:
    with uploads.part(caller, upload_id, number, sha256=sha256 or None) as writer:
        writer.write(data)
        return writer.commit()


def _begin(uploads: Uploads, caller: Caller, sha256: str | None = None) -> str:
    """An upload of ten bytes in three parts, all of which have come."""
    upload = uploads.create(caller, size=10, part_size=4, sha256=sha256)
    for number in (3, 1, 2):
        _send(uploads, caller, upload.id, number, _DATA[number * 4 - 4 : number * 4])
    return upload.id


def _read(store: Store, media: Media) -> bytes:
    return b"".join(MediaLibrary(store).stream(media))


def _blobs(store: Store, folder: str) -> list[str]:
    return [blob.path for blob in store.blobs.list(folder)]


def test_parts_become_one_recording(uploads: Uploads, caller: Caller, store: Store) -> None:
    upload = uploads.create(
        caller,
        size=10,
        name="call.wav",
        sha256=hashlib.sha256(_DATA).hexdigest().upper(),
        part_size=4,
    )
    assert (upload.parts_total, upload.received, upload.media_id) == (3, (), None)
    assert [upload.part_bytes(number) for number in (1, 2, 3)] == [4, 4, 2]
    sent = [_send(uploads, caller, upload.id, n, _DATA[n * 4 - 4 : n * 4]) for n in (3, 1, 2)]
    assert sent[0] == Part(number=3, size=2, sha256=hashlib.sha256(b"89").hexdigest())
    assert uploads.get(caller, upload.id).received == (sent[1], sent[2], sent[0])

    media = uploads.complete(caller, upload.id)
    assert (media.size, media.name, media.owned) == (10, "call.wav", False)
    assert media.sha256 == hashlib.sha256(_DATA).hexdigest()
    assert MediaLibrary(store).get(caller, media.id) == media
    assert _read(store, media) == _DATA
    assert uploads.complete(caller, upload.id) == media
    assert uploads.get(caller, upload.id).media_id == media.id
    assert (_blobs(store, "uploads"), _blobs(store, "media")) == ([], [media.blob])


def test_an_interrupted_client_goes_on_where_it_was(tmp_path: Path) -> None:
    store = Store.open(Settings(data_dir=tmp_path))
    caller, uploads = new_caller(store), Uploads(store)
    upload = uploads.create(caller, size=10, part_size=4)
    command = [sys.executable, "-c", _INTERRUPTED, str(tmp_path), caller.tenant_id, upload.id]
    assert subprocess.run(command, check=False).returncode == 9
    assert [part.number for part in uploads.get(caller, upload.id).received] == [1, 3]
    _send(uploads, caller, upload.id, 2, b"4567")
    assert _read(store, uploads.complete(caller, upload.id)) == _DATA
    store.close()


def test_uploads_may_have_as_many_bytes_as_the_setting_says(
    uploads: Uploads, caller: Caller
) -> None:
    assert uploads.create(caller, size=100_000).size == 100_000
    with pytest.raises(MediaTooLarge, match="100001 bytes") as caught:
        uploads.create(caller, size=100_001)
    assert (caught.value.size, caught.value.limit) == (100_001, 100_000)
    for size in (0, -1):
        with pytest.raises(InvalidOption, match="1 byte at least"):
            uploads.create(caller, size=size)


def test_uploads_have_ten_thousand_parts_at_most(uploads: Uploads, caller: Caller) -> None:
    assert uploads.create(caller, size=MAX_PARTS, part_size=1).parts_total == MAX_PARTS
    with pytest.raises(InvalidOption, match="2 bytes are the least"):
        uploads.create(caller, size=MAX_PARTS + 1, part_size=1)
    for part_size in (0, -1):
        with pytest.raises(InvalidOption):
            uploads.create(caller, size=1, part_size=part_size)
    assert uploads.create(caller, size=7, part_size=10**30).part_size == 7


def test_parts_have_a_size_of_their_own_accord(database: Database, tmp_path: Path) -> None:
    store = _store(database, tmp_path, max_upload_bytes=1 << 40, reserve_bytes=0)
    caller, uploads = new_caller(store), Uploads(store)
    assert uploads.create(caller, size=5).part_size == 5
    assert uploads.create(caller, size=PART_BYTES + 1).part_size == PART_BYTES
    large = PART_BYTES * MAX_PARTS + 1
    if store.blobs.free_bytes() > large:
        assert uploads.create(caller, size=large).parts_total == MAX_PARTS


def test_a_part_has_its_number_and_size(uploads: Uploads, caller: Caller, store: Store) -> None:
    upload = uploads.create(caller, size=10, part_size=4)
    for number in (0, 4, -1):
        with pytest.raises(InvalidOption, match=f"and not {number}"):
            uploads.part(caller, upload.id, number)
    for number, data in ((1, b"012"), (3, b"8"), (1, b"")):
        with pytest.raises(InvalidInput, match=f"came with {len(data)} of its"):
            _send(uploads, caller, upload.id, number, data)
    for number, data in ((1, b"01234"), (3, b"89a")):
        with pytest.raises(MediaTooLarge):
            _send(uploads, caller, upload.id, number, data)
    assert uploads.get(caller, upload.id).received == ()
    assert _blobs(store, "uploads") == []
    assert store.blobs.sweep_partial(-60) == 0


def test_a_part_is_what_its_checksum_says(uploads: Uploads, caller: Caller, store: Store) -> None:
    upload = uploads.create(caller, size=10, part_size=4)
    right = hashlib.sha256(b"0123").hexdigest()
    with pytest.raises(InvalidInput, match="send it again"):
        _send(uploads, caller, upload.id, 1, b"0124", right)
    assert _blobs(store, "uploads") == []
    assert _send(uploads, caller, upload.id, 1, b"0123", right.upper()).sha256 == right
    for wrong in ("abc", right[:-1], right + "0", "g" * 64):
        with pytest.raises(InvalidOption, match="64 hexadecimal digits"):
            uploads.part(caller, upload.id, 1, sha256=wrong)
    with pytest.raises(InvalidOption, match="64 hexadecimal digits"):
        uploads.create(caller, size=10, sha256="abc")


def test_a_part_may_come_again(uploads: Uploads, caller: Caller, store: Store) -> None:
    upload_id = _begin(uploads, caller)
    _send(uploads, caller, upload_id, 1, b"abcd")
    assert len(uploads.get(caller, upload_id).received) == 3
    assert len(_blobs(store, "uploads")) == 3
    assert _read(store, uploads.complete(caller, upload_id)) == b"abcd456789"


def test_a_part_that_breaks_off_leaves_the_one_before(
    uploads: Uploads, caller: Caller, store: Store
) -> None:
    upload_id = _begin(uploads, caller)
    with uploads.part(caller, upload_id, 1) as writer:
        writer.write(b"ab")
    assert _read(store, uploads.complete(caller, upload_id)) == _DATA


def test_missing_parts_are_told(uploads: Uploads, caller: Caller, store: Store) -> None:
    upload = uploads.create(caller, size=10, part_size=4)
    _send(uploads, caller, upload.id, 1, b"0123")
    with pytest.raises(Conflict, match="2 of the 3 parts are missing, the first is 2"):
        uploads.complete(caller, upload.id)
    assert _blobs(store, "media") == []


def test_a_whole_that_is_not_what_was_promised_can_be_mended(
    uploads: Uploads, caller: Caller, store: Store
) -> None:
    upload_id = _begin(uploads, caller, sha256=hashlib.sha256(b"0123xxxx89").hexdigest())
    with pytest.raises(InvalidInput, match="The recording has the SHA-256"):
        uploads.complete(caller, upload_id)
    assert _blobs(store, "media") == []
    assert store.blobs.sweep_partial(-60) == 0
    _send(uploads, caller, upload_id, 2, b"xxxx")
    assert _read(store, uploads.complete(caller, upload_id)) == b"0123xxxx89"


def test_parts_may_come_at_once(uploads: Uploads, caller: Caller, store: Store) -> None:
    data = bytes(range(200)) * 10
    upload = uploads.create(caller, size=len(data), part_size=100)

    def send(number: int) -> Part:
        return _send(uploads, caller, upload.id, number, data[number * 100 - 100 : number * 100])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, [*range(1, 21), *range(20, 0, -1)]))  # each of them twice
    assert _read(store, uploads.complete(caller, upload.id)) == data
    assert _blobs(store, "uploads") == []


def test_completing_at_once_makes_one_recording(
    uploads: Uploads, caller: Caller, store: Store
) -> None:
    upload_id = _begin(uploads, caller)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: _complete(uploads, caller, upload_id), range(8)))
    assert len({media.id for media in made}) == 1
    assert _blobs(store, "media") == [made[0].blob]


def _complete(uploads: Uploads, caller: Caller, upload_id: str) -> Media:
    return uploads.complete(caller, upload_id)


def test_a_recording_deleted_since_is_not_made_again(
    uploads: Uploads, caller: Caller, store: Store
) -> None:
    upload_id = _begin(uploads, caller)
    media = uploads.complete(caller, upload_id)
    MediaLibrary(store).delete(caller, media.id)
    with pytest.raises(NotFound, match="has been deleted"):
        uploads.complete(caller, upload_id)


def test_a_complete_upload_is_closed(uploads: Uploads, caller: Caller) -> None:
    upload_id = _begin(uploads, caller)
    late = uploads.part(caller, upload_id, 1)
    late.write(b"late")
    uploads.complete(caller, upload_id)
    with pytest.raises(Conflict, match="is complete"):
        late.commit()
    with pytest.raises(Conflict, match="is complete"):
        uploads.part(caller, upload_id, 1)
    with pytest.raises(Conflict, match="is complete"):
        uploads.abort(caller, upload_id)


def test_what_is_given_up_is_gone(uploads: Uploads, caller: Caller, store: Store) -> None:
    upload_id = _begin(uploads, caller)
    late = uploads.part(caller, upload_id, 1)
    late.write(b"late")
    uploads.abort(caller, upload_id)
    assert _blobs(store, "uploads") == []
    with pytest.raises(NotFound):
        late.commit()
    for use in (uploads.get, uploads.complete, uploads.abort):
        with pytest.raises(NotFound):
            use(caller, upload_id)
    sweep_orphans(store.database, store.blobs, time.time() + 2 * _HOUR)
    assert _blobs(store, "uploads") == []


def test_what_is_anothers_is_as_if_it_were_not_there(
    uploads: Uploads, caller: Caller, store: Store
) -> None:
    upload_id = _begin(uploads, caller)
    stranger = new_caller(store, "stranger")
    for use in (
        lambda upload_id: uploads.get(stranger, upload_id),
        lambda upload_id: uploads.part(stranger, upload_id, 1),
        lambda upload_id: uploads.complete(stranger, upload_id),
        lambda upload_id: uploads.abort(stranger, upload_id),
    ):
        with pytest.raises(NotFound) as foreign:
            use(upload_id)
        with pytest.raises(NotFound) as unknown:
            use("unknown")
        assert str(foreign.value).replace(upload_id, "unknown") == str(unknown.value)
    assert len(uploads.get(caller, upload_id).received) == 3


def test_what_is_anothers_takes_no_longer_than_what_is_not_there(
    uploads: Uploads, caller: Caller, store: Store
) -> None:
    upload = uploads.create(caller, size=len(_DATA), part_size=1)
    for number in range(1, len(_DATA) + 1):
        with uploads.part(caller, upload.id, number) as writer:
            writer.write(_DATA[:1])
            writer.commit()
    with store.database.read() as connection:
        assert len(parts(connection, [upload.id], caller.tenant_id)) == len(_DATA)
        assert not parts(connection, [upload.id], new_caller(store, "stranger").tenant_id)


def test_a_key_without_the_scope_opens_nothing(uploads: Uploads, store: Store) -> None:
    caller = new_caller(store, "live", Scope.LIVE)
    with pytest.raises(Forbidden):
        uploads.create(caller, size=1)
    for use in (uploads.get, uploads.complete, uploads.abort):
        with pytest.raises(Forbidden):
            use(caller, "any")
    with pytest.raises(Forbidden):
        uploads.part(caller, "any", 1)


def test_the_reserve_is_kept_free(database: Database, tmp_path: Path) -> None:
    free = _store(database, tmp_path).blobs.free_bytes()
    roomy = _store(database, tmp_path)
    caller = new_caller(roomy)
    upload_id = _begin(Uploads(roomy), caller)
    full = Uploads(_store(database, tmp_path, reserve_bytes=2 * free))
    with pytest.raises(DiskFull):
        full.create(caller, size=10)
    with pytest.raises(DiskFull):
        full.part(caller, upload_id, 1)
    with pytest.raises(DiskFull):
        full.complete(caller, upload_id)
    assert Uploads(roomy).complete(caller, upload_id).size == 10  # nothing was lost


def test_an_upload_lasts_a_day(uploads: Uploads, caller: Caller, store: Store) -> None:
    upload_id = _begin(uploads, caller)
    done_id = _begin(uploads, caller)
    media = uploads.complete(caller, done_id)
    expires_at = uploads.get(caller, upload_id).expires_at
    assert uploads.sweep(expires_at - 1) == 0
    assert uploads.sweep(expires_at + 1) == 2
    assert _blobs(store, "uploads") == []
    assert _blobs(store, "media") == [media.blob]
    with pytest.raises(NotFound):
        uploads.get(caller, upload_id)


def test_an_expired_upload_is_gone_before_it_is_swept(
    uploads: Uploads, caller: Caller, store: Store
) -> None:
    upload_id = _begin(uploads, caller)
    with store.database.write() as connection:
        connection.execute(sa.update(table).values(expires_at=time.time()))
    for use in (uploads.get, uploads.complete, uploads.abort):
        with pytest.raises(NotFound):
            use(caller, upload_id)


def test_all_that_is_due_is_swept(
    uploads: Uploads, caller: Caller, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.service._uploads._AT_ONCE", 2)
    for _ in range(5):
        _begin(uploads, caller)
    assert uploads.sweep(time.time() + 25 * _HOUR) == 5
    assert _blobs(store, "uploads") == []


def test_memory_does_not_grow_with_the_upload(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],  # for callers
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < 16 << 10  # KiB, for 128 MiB

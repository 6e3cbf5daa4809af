"""Blobs in a folder and in an object store behave alike."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.errors import InvalidInput, InvalidOption, NotFound, StorageUnavailable
from earmark.settings import Settings
from earmark.storage import Blobs

_MIB = 1 << 20


@pytest.fixture(params=["folder", "objects"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    url = None
    if request.param == "objects":
        url = request.getfixturevalue("object_store").url
    return Blobs.open(Settings(data_dir=tmp_path / "data", blob_url=url))


def _pieces(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number]) * _MIB


@pytest.mark.parametrize("size", [0, 1, 4 * _MIB, 4 * _MIB + 1, 5 * _MIB, 12 * _MIB])
def test_what_is_written_can_be_read(blobs: Blobs, size: int) -> None:
    data = os.urandom(size)
    with blobs.writer("media/t/a") as writer:
        for start in range(0, size, 700_000):
            writer.write(data[start : start + 700_000])
    assert blobs.get("media/t/a") == data
    assert b"".join(blobs.stream("media/t/a")) == data
    with blobs.open_file("media/t/a") as file:
        assert os.fstat(file.fileno()).st_size == size
        assert file.read() == data
        file.seek(max(0, size - 1))
        assert file.read() == data[-1:]


def test_pieces_are_small(blobs: Blobs) -> None:
    with blobs.writer("media/t/a") as writer:
        for piece in _pieces(10):
            writer.write(piece)
    assert all(len(piece) <= 4 * _MIB for piece in blobs.stream("media/t/a"))


def test_nothing_is_seen_before_the_end(blobs: Blobs) -> None:
    writer = blobs.writer("media/t/a")
    for piece in _pieces(12):
        writer.write(piece)
    assert list(blobs.list("media")) == []
    with pytest.raises(NotFound):
        blobs.get("media/t/a")
    writer.commit()
    assert [blob.size for blob in blobs.list("media")] == [12 * _MIB]
    writer.abort()  # too late: nothing happens
    assert blobs.get("media/t/a")[:1] == b"\0"


def test_an_error_leaves_nothing(blobs: Blobs, request: pytest.FixtureRequest) -> None:
    def fail() -> None:
        with blobs.writer("media/t/a") as writer:
            for piece in _pieces(12):
                writer.write(piece)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(blobs.list("media")) == []
    assert blobs.sweep_partial(0) == 0
    if "object_store" in request.fixturenames:
        store = request.getfixturevalue("object_store")
        assert (store.keys(), store.pending()) == ([], 0)


def test_an_abort_leaves_nothing_and_may_be_repeated(blobs: Blobs) -> None:
    writer = blobs.writer("media/t/a")
    writer.write(b"abc")
    writer.abort()
    writer.abort()
    assert list(blobs.list("media")) == []
    assert blobs.sweep_partial(0) == 0


def test_a_blob_is_replaced_as_a_whole(blobs: Blobs) -> None:
    blobs.put("media/t/a", b"the first and longer one")
    with blobs.writer("media/t/a") as writer:
        writer.write(b"second")
        assert blobs.get("media/t/a") == b"the first and longer one"
    assert blobs.get("media/t/a") == b"second"


def test_lists_hold_what_is_under_a_folder(blobs: Blobs) -> None:
    began = time.time()
    for path in ("media/t/a", "media/u/b", "media2/t/c", "results/t/d.json"):
        blobs.put(path, path.encode())
    found = {blob.path: blob for blob in blobs.list("media")}
    assert set(found) == {"media/t/a", "media/u/b"}
    assert found["media/t/a"].size == 9
    assert began - 5 < found["media/t/a"].modified < time.time() + 5
    assert {blob.path for blob in blobs.list("media/u")} == {"media/u/b"}
    assert list(blobs.list("nothing")) == []


def test_deleting_what_is_not_there_is_fine(blobs: Blobs) -> None:
    for name in "abc":
        blobs.put(f"media/t/{name}", b"x")
    blobs.delete("media/t/a", "media/t/none", "media/t/b")
    blobs.delete("media/t/a")
    blobs.delete()
    assert [blob.path for blob in blobs.list("media")] == ["media/t/c"]


def test_what_is_missing_is_not_found_at_once(blobs: Blobs) -> None:
    for read in (blobs.get, blobs.stream, blobs.open_file):
        with pytest.raises(NotFound, match="media/t/none"):
            read("media/t/none")


@pytest.mark.parametrize(
    "path",
    ["", "media", "/etc/passwd", "media/../../x", "media//x", "media/.x", "media/ä", "a\0/b"],
)
def test_paths_cannot_lead_out_of_the_store(blobs: Blobs, path: str) -> None:
    for use in (blobs.get, blobs.stream, blobs.open_file, blobs.delete, blobs.writer):
        with pytest.raises(InvalidInput, match="no path of a blob"):
            use(path)


def test_a_store_that_answers_is_ready(blobs: Blobs) -> None:
    blobs.check()
    assert list(blobs.list("check")) == []


def test_free_space_is_that_of_the_disk(blobs: Blobs, tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    assert abs(blobs.free_bytes() - found.f_bavail * found.f_frsize) < 256 * _MIB


@pytest.mark.parametrize(
    "url",
    ["s4://bucket", "nonsense", "file://host/folder", "file://", "file:///", "s3://", "az://x"],
)
def test_a_wrong_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidOption, match="EARMARK_BLOB_URL"):
        Blobs.open(Settings(data_dir=tmp_path, blob_url=url))


def test_a_folder_may_be_named(tmp_path: Path) -> None:
    url = (tmp_path / "with a space").as_uri()
    blobs = Blobs.open(Settings(data_dir=tmp_path / "data", blob_url=url))
    blobs.put("media/t/a", b"x")
    assert (tmp_path / "with a space" / "media" / "t" / "a").read_bytes() == b"x"


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="file/blobs"):
        Blobs.open(Settings(data_dir=tmp_path, blob_url=(tmp_path / "file" / "blobs").as_uri()))


def test_the_digest_of_a_large_blob_is_the_same_on_both_sides(blobs: Blobs) -> None:
    sent, come = hashlib.sha256(), hashlib.sha256()
    with blobs.writer("media/t/a") as writer:
        for piece in _pieces(23):
            sent.update(piece)
            writer.write(piece)
    for piece in blobs.stream("media/t/a"):
        come.update(piece)
    assert come.digest() == sent.digest()

"""Blobs in an object store that is away, wrong, or slow; and how much memory they take."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from earmark.errors import StorageUnavailable
from earmark.settings import Settings
from earmark.storage import Blobs, _blob_objects
from object_store import ObjectStore, running_server

_MEMORY = """
import resource, sys
from pathlib import Path
from earmark.settings import Settings
from earmark.storage import Blobs

blobs = Blobs.open(Settings(data_dir=Path(sys.argv[1]), blob_url=sys.argv[2]))
def copy(name, count):
    with blobs.writer(f"media/t/{name}") as writer:
        for _ in range(count):
            writer.write(bytes(1 << 20))
    for _ in blobs.stream(f"media/t/{name}"):
        pass
copy("warm", 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
copy("large", 96)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""

_USES: list[Callable[[Blobs], object]] = [
    lambda blobs: blobs.check(),
    lambda blobs: blobs.put("media/t/a", b"x"),
    lambda blobs: blobs.get("media/t/a"),
    lambda blobs: blobs.stream("media/t/a"),
    lambda blobs: blobs.open_file("media/t/a"),
    lambda blobs: blobs.delete("media/t/a"),
    lambda blobs: list(blobs.list("media")),
]


def _open(folder: Path, url: str) -> Blobs:
    return Blobs.open(Settings(data_dir=folder, blob_url=url))


@pytest.mark.parametrize("use", _USES)
def test_a_store_that_is_down_is_unavailable(
    object_store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[Blobs], object],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
    blobs = _open(tmp_path, object_store.url)
    with pytest.raises(StorageUnavailable) as caught:
        use(blobs)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("use", _USES)
def test_a_store_that_never_answers_is_unavailable(
    object_store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[Blobs], object],
) -> None:
    brief = {**_blob_objects._CLIENT, "timeout": timedelta(seconds=0.2)}
    monkeypatch.setattr(_blob_objects, "_CLIENT", brief)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(StorageUnavailable):
            use(_open(tmp_path, object_store.url))


def test_a_store_that_goes_away_while_a_blob_is_written_is_unavailable(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        writer = _open(tmp_path, object_store.url).writer("media/t/a")
        for _ in range(8):
            writer.write(bytes(1 << 20))

    def go_on() -> None:
        for _ in range(100):
            writer.write(bytes(1 << 20))
        writer.commit()

    with pytest.raises(StorageUnavailable):
        go_on()
    writer.abort()


def test_a_store_without_the_bucket_is_not_ready(
    object_store: ObjectStore,
    tmp_path: Path,
) -> None:
    blobs = _open(tmp_path, "s3://no-such-bucket/prefix")
    for use in (_USES[0], _USES[1]):
        with pytest.raises(StorageUnavailable):
            use(blobs)


def test_blobs_are_under_the_prefix(
    object_store: ObjectStore,
    tmp_path: Path,
) -> None:
    _open(tmp_path, object_store.url).put("media/t/a", b"x")
    assert object_store.keys() == ["some/prefix/media/t/a"]


def test_a_copy_has_no_name_on_the_disk(
    object_store: ObjectStore,
    tmp_path: Path,
) -> None:
    blobs = _open(tmp_path, object_store.url)
    blobs.put("media/t/a", b"x")
    with blobs.open_file("media/t/a") as file:
        assert os.fstat(file.fileno()).st_nlink == 0
        assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_blob(
    object_store: ObjectStore,
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", _MEMORY, str(tmp_path), object_store.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < 40 << 10  # KiB, for 96 MiB

"""Blobs in a folder: what survives a crash, and what a full disk does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from earmark.errors import NotFound, StorageUnavailable
from earmark.settings import Settings
from earmark.storage import Blobs

_WRITER = """
import os, resource, sys
from pathlib import Path
from earmark.errors import DiskFull
from earmark.settings import Settings
from earmark.storage import Blobs

blobs = Blobs.open(Settings(data_dir=Path(sys.argv[1])))
"""
_KILLED = """
writer = blobs.writer("media/t/a")
for _ in range(5):
    writer.write(bytes(1 << 20))
os._exit(9)
"""
_FULL = """
resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, resource.RLIM_INFINITY))
blobs.put("media/t/small", bytes(3 << 20))
for rounds in (2, 4, 8):
    writer = blobs.writer("media/t/large")
    try:
        for _ in range(rounds):
            writer.write(bytes(1 << 20))
        writer.write(bytes(3 << 20))
        writer.commit()
    except DiskFull as error:
        print(error)
"""


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs.open(Settings(data_dir=tmp_path))


def _run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _WRITER + program, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_blob_is_on_the_disk_before_it_has_its_name(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    sync, replace = os.fsync, Path.replace

    def spy_on_sync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        events.append(f"sync {path.relative_to(tmp_path)}")
        sync(descriptor)

    def spy_on_replace(self: Path, target: Path) -> Path:
        events.append(f"name {target.relative_to(tmp_path)}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", spy_on_sync)
    monkeypatch.setattr(Path, "replace", spy_on_replace)
    blobs.put("media/t/a", b"x")
    assert events[0].startswith("sync blobs/.partial/")
    assert events[1:] == [
        "sync blobs",  # which now has the folder media
        "sync blobs/media",
        "name blobs/media/t/a",
        "sync blobs/media/t",
    ]


def test_nobody_else_may_look_into_the_folders(blobs: Blobs, tmp_path: Path) -> None:
    blobs.put("media/t/a", b"x")
    folders = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert len(folders) == 4
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_a_killed_writer_leaves_nothing_to_be_seen_and_is_swept(
    blobs: Blobs, tmp_path: Path
) -> None:
    assert _run(_KILLED, tmp_path).returncode == 9
    assert list(blobs.list("media")) == []
    assert blobs.sweep_partial(3600) == 0  # it may still be at work
    (left,) = (tmp_path / "blobs" / ".partial").iterdir()
    os.utime(left, (0, 0))
    writer = blobs.writer("media/t/b")
    writer.write(b"alive")
    assert blobs.sweep_partial(3600) == 1
    assert not left.exists()
    writer.commit()
    assert blobs.get("media/t/b") == b"alive"


def test_a_full_disk_is_told_of_and_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    done = _run(_FULL, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("make room on the disk") == 3
    assert [blob.path for blob in blobs.list("media")] == ["media/t/small"]
    assert list((tmp_path / "blobs" / ".partial").iterdir()) == []


def test_a_writer_whose_file_was_swept_says_so(blobs: Blobs, tmp_path: Path) -> None:
    writer = blobs.writer("media/t/a")
    writer.write(b"x")
    assert blobs.sweep_partial(-60) == 1
    with pytest.raises(StorageUnavailable):
        writer.commit()
    with pytest.raises(NotFound):
        blobs.get("media/t/a")


def test_folders_come_and_go_while_others_write(blobs: Blobs, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def put_and_delete(name: str) -> None:
        try:
            for _ in range(50):
                blobs.put(f"uploads/u/{name}", b"x")
                assert blobs.get(f"uploads/u/{name}") == b"x"
                blobs.delete(f"uploads/u/{name}")
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=put_and_delete, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert list((tmp_path / "blobs" / "uploads").iterdir()) == []


def test_a_folder_that_is_gone_is_not_ready(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "blobs" / ".partial").rmdir()
    with pytest.raises(StorageUnavailable):
        blobs.check()

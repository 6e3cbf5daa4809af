"""Recordings on this machine, whatever they are given as."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.client._recording import File, is_address, open_recording
from earmark.errors import AudioNotFound

DATA = bytes(range(200))


def _pipe() -> File:
    read, write = os.pipe()
    os.write(write, DATA)
    os.close(write)
    return os.fdopen(read, "rb")


def _middle() -> File:
    file = io.BytesIO(b"before" + DATA)
    file.seek(6)
    return file


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "file", "middle", "pipe"])
def test_it_can_be_read_at_any_place(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(DATA)
    makers: dict[str, Callable[[], File]] = {
        "path": lambda: path,
        "text": lambda: str(path),
        "bytes": lambda: DATA,
        "file": lambda: path.open("rb"),
        "middle": _middle,
        "pipe": _pipe,
    }
    source = makers[kind]()
    with open_recording(source) as recording:
        assert recording.size == len(DATA)
        assert recording.name == ("call.wav" if kind in ("path", "text", "file") else None)
        for offset in (50, 0, 150):
            data, digest = recording.read(offset, 50)
            assert data == DATA[offset : offset + 50]
            assert digest == hashlib.sha256(data).hexdigest()
    if isinstance(source, io.IOBase):
        assert not source.closed, "a file object belongs to the caller"
        source.close()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(AudioNotFound, match=r"nowhere\.wav"),
        open_recording(tmp_path / "nowhere.wav"),
    ):
        pass


def test_what_is_an_address() -> None:
    assert is_address("https://example.com/a.wav")
    assert not is_address("a.wav")
    assert not is_address(Path("https://example.com"))

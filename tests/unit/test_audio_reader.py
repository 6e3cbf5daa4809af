"""The bytes of a source: where they start, how they are read again, what is refused."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from audio_samples import Pipe
from earmark.audio._reader import HEAD, TAIL, Reader
from earmark.errors import AudioNotFound, DamagedAudio, DiskFull, InvalidOption

DATA = bytes(range(256)) * 1024


def read_all(reader: Reader) -> bytes:
    data = b""
    while more := reader.read(3000):
        data += more
    return data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_anything_like_bytes_is_a_source(kind: Any) -> None:
    assert read_all(Reader(kind(DATA))) == DATA


def test_a_file_object_is_read_from_where_it_stands_and_left_open() -> None:
    file = io.BytesIO(DATA)
    file.seek(1000)
    reader = Reader(file)
    assert read_all(reader) == DATA[1000:]
    assert reader.seek(10) == 10
    assert reader.read(5) == DATA[1010:1015]
    assert reader.length() == len(DATA) - 1000
    assert reader.at(70_000, 3) == DATA[71_000:71_003]
    reader.close()
    assert not file.closed


def test_a_pipe_gives_the_same_bytes_and_remembers_both_ends() -> None:
    reader = Reader(Pipe(DATA, most=777))
    assert not reader.seekable()
    assert read_all(reader) == DATA
    assert reader.head == DATA[:HEAD]
    assert reader.tail().endswith(DATA[-TAIL:])
    assert len(reader.tail()) < 2 * TAIL
    assert reader.at(100, 4) == DATA[100:104]
    assert reader.at(HEAD + 100, 4) == b""


def test_what_has_its_index_at_the_end_is_made_seekable() -> None:
    movie = b"\0\0\0\x18ftypisom" + DATA
    reader = Reader(Pipe(movie))
    assert reader.seekable()
    assert read_all(reader) == movie
    assert reader.seek(4) == 4
    assert reader.read(4) == b"ftyp"
    reader.close()


def test_no_room_for_the_temporary_file_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    with pytest.raises(DiskFull, match="No space left on device"):
        Reader(Pipe(b"\0\0\0\x18ftypisom" + DATA))


def test_a_seek_to_nowhere_is_an_answer_and_no_error() -> None:
    reader = Reader(DATA)
    assert reader.seek(-5) == -1
    assert reader.seek(2**70) == -1
    assert reader.error is None


def test_an_error_while_reading_is_kept_for_the_caller() -> None:
    class Broken(Pipe):
        def readinto(self, buffer: Any) -> int:
            if self._data.tell() > HEAD:
                raise KeyboardInterrupt
            return super().readinto(buffer)

    reader = Reader(Broken(DATA))
    assert len(read_all(reader)) < len(DATA)
    with pytest.raises(KeyboardInterrupt):
        reader.raise_error()


def test_a_source_that_fails_at_once_is_damaged() -> None:
    class Dead(Pipe):
        def readinto(self, _: Any) -> int:
            raise OSError(5, "Input/output error")

    with pytest.raises(DamagedAudio, match="Input/output error"):
        Reader(Dead(b""))


@pytest.mark.parametrize(
    "address",
    ["http://example.org/a.wav", "https://a/b", "rtsp://camera", "file:///etc/passwd", "data:,x"],
)
def test_an_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidOption, match="download it first"):
        Reader(address)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioNotFound, match=r"no file '.*nothing\.wav'"):
        Reader(tmp_path / "nothing.wav")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(AudioNotFound, match="is a folder"):
        Reader(tmp_path)


@pytest.mark.parametrize("name", ["a\0b.wav", "x" * 5000, "concat:a.wav|b.wav"])
def test_a_name_that_cannot_be_opened_is_not_found(name: str) -> None:
    with pytest.raises(AudioNotFound):
        Reader(name)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps permissions elsewhere")
def test_a_file_without_permission_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret.wav"
    path.write_bytes(DATA)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read anything
        assert path.stat().st_mode & stat.S_IRWXU == 0

        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AudioNotFound, match="may not be read"):
        Reader(path)


@pytest.mark.parametrize("source", [None, 5, [b"x"], object(), io.StringIO("text")])
def test_what_holds_no_bytes_is_refused(source: Any) -> None:
    with pytest.raises(InvalidOption, match="cannot be read from a"):
        Reader(source)


def test_a_file_object_that_gives_text_is_refused() -> None:
    class Text:
        def read(self, _: int) -> str:
            return "x"

    source: Any = Text()
    with pytest.raises(InvalidOption, match="binary mode"):
        Reader(source)


def test_an_open_file_is_closed_when_it_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    reader = Reader(path)
    assert reader.label == "a.bin"
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader._file.read(1)

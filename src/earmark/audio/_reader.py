"""The bytes of a recording, wherever they come from, behind one small file-like object.

FFmpeg is given this object and nothing else: no path and no address, so nothing in a file can make
it open another one.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
from collections import deque
from pathlib import Path
from typing import IO, Final, Protocol, cast

from earmark.errors import AudioNotFound, DamagedAudio, DiskFull, InvalidOption

__all__ = ["HEAD", "TAIL", "Reader", "Source", "open_source"]


class Readable(Protocol):
    """A binary file object. ``seek`` and ``tell`` are used when ``seekable()`` says so."""

    def read(self, size: int, /) -> bytes | None: ...


Source = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable
"""What a recording can be read from: a path, the bytes of a file, or an open binary file."""

HEAD: Final = 1 << 16
TAIL: Final = 1 << 16

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:")
_MP4 = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")


class Reader:
    """A readable, perhaps seekable, view of a source that begins where the source stood.

    Errors while reading are kept in :attr:`error` and look like the end of the file to FFmpeg,
    which would otherwise swallow them; the caller looks there after each step. There is no ``name``
    on purpose: FFmpeg would guess the container from its ending. ``label`` is what messages call
    the source, when it does not tell itself.

    Raises :class:`AudioNotFound` for a path that cannot be opened and :class:`InvalidOption` for
    an address, a text file object or anything else that holds no bytes.
    """

    def __init__(self, source: Source, *, label: str | None = None) -> None:
        self._file, name, self._owned = open_source(source)
        self.label = label or name
        self.error: BaseException | None = None
        self._seekable = bool(getattr(self._file, "seekable", bool)())
        self._base = self._file.tell() if self._seekable else 0
        self._position = 0
        self._recent: deque[bytes] = deque()
        self._held = 0
        self.head = b""
        self.head = self._read_head()
        if not self._seekable and _needs_seeking(self.head):
            self._spool()

    def close(self) -> None:
        """Close the file if this object opened it."""
        if self._owned:
            self._file.close()

    def raise_error(self) -> None:
        """Raise what went wrong while reading, if anything did."""
        if isinstance(self.error, OSError):
            raise DamagedAudio(f"{self.label} cannot be read: {self.error}.") from self.error
        if self.error is not None:
            raise self.error

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seekable

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; empty at the end and after an error."""
        if self.error is not None:
            return b""
        if not self._seekable and self._position < len(self.head):
            data = self.head[self._position : self._position + size]
        else:
            try:
                data = _some_bytes(self._file, size)
            # Also Ctrl-C: FFmpeg's C code would lose it. The caller raises it again.
            except BaseException as error:  # noqa: BLE001
                self.error = error
                return b""
        self._position += len(data)
        if not self._seekable and self.head:
            self._remember(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, and return the new position, counted from where the source stood at first."""
        if whence == os.SEEK_SET:
            offset += self._base
        try:
            self._position = self._file.seek(offset, whence) - self._base
        except (OSError, ValueError, OverflowError):
            # A damaged file sends FFmpeg anywhere; it copes with being told that it cannot go.
            return -1
        except BaseException as error:  # noqa: BLE001 - as in read()
            self.error = error
            return -1
        return self._position

    def tell(self) -> int:
        return self._position

    def length(self) -> int:
        """Bytes in the source; of one that cannot seek, the bytes read so far."""
        if not self._seekable:
            return self._position
        here = self._position
        length = self.seek(0, os.SEEK_END)
        self.seek(here)
        return length

    def tail(self) -> bytes:
        """The last 64 KiB (or more) of the source; call it at the end of reading."""
        if not self._seekable:
            return b"".join(self._recent)
        return self.at(max(0, self.length() - TAIL), TAIL)

    def at(self, offset: int, size: int) -> bytes:
        """``size`` bytes at ``offset``; of a source that cannot seek, only from its head."""
        if not self._seekable or offset + size <= len(self.head):
            return self.head[offset : offset + size]
        here = self._position
        data = b""
        if self.seek(offset) == offset:
            while len(data) < size and (more := self.read(size - len(data))):
                data += more
        self.seek(here)
        return data

    def _read_head(self) -> bytes:
        head = b""
        while len(head) < HEAD and (more := self.read(HEAD - len(head))):
            head += more
        self._position = 0
        if self._seekable:
            self.seek(0)
        if not head:
            self.close()
            self.raise_error()
        return head

    def _remember(self, data: bytes) -> None:
        self._recent.append(data)
        self._held += len(data)
        while self._held - len(self._recent[0]) >= TAIL:
            self._held -= len(self._recent.popleft())

    def _spool(self) -> None:
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            spool.write(self.head)
            shutil.copyfileobj(self._file, spool, 1 << 20)
            spool.seek(0)
        except OSError as error:
            spool.close()
            raise DiskFull(
                f"{self.label} comes through a pipe and is kept in a temporary file, which could "
                f"not be written ({error.strerror}): make room, or give the file itself."
            ) from error
        self._file, self._owned = spool, True
        self._seekable = True


def _needs_seeking(head: bytes) -> bool:
    """Whether what begins so is read in another order than it is written.

    MP4 may keep its index at the end, MP3 and WavPack their tags. They are few, so that a stream
    without end (a sound card, through a pipe) never lands on disk.
    """
    mp3 = head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")
    return mp3 or head[4:8] in _MP4 or head[:4] == b"wvpk"


def open_source(source: Source) -> tuple[IO[bytes], str, bool]:
    """The binary file of a source, its name for messages, and whether it is ours to close."""
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source), "The audio", True
    if isinstance(source, str | os.PathLike):
        return _open_path(source)
    if not callable(getattr(source, "read", None)) or isinstance(source, io.TextIOBase):
        raise InvalidOption(
            f"Audio cannot be read from a {type(source).__name__}: "
            "give a path, bytes, or a file opened in binary mode."
        )
    name = getattr(source, "name", None)
    label = Path(name).name if isinstance(name, str) else "The audio stream"
    return cast(IO[bytes], source), label, False


def _open_path(source: str | os.PathLike[str]) -> tuple[IO[bytes], str, bool]:
    text = os.fspath(source)
    if isinstance(source, str) and _ADDRESS.match(text):
        raise InvalidOption(
            f"{text!r} is an address, and only files are read here: download it first."
        )
    path = Path(text)
    try:
        if path.is_dir():
            raise AudioNotFound(f"{text!r} is a folder: name an audio file in it.")
        return path.open("rb", buffering=0), path.name, True
    except FileNotFoundError as error:
        raise AudioNotFound(f"There is no file {text!r}: check the path.") from error
    except PermissionError as error:
        raise AudioNotFound(f"{text!r} may not be read: check its permissions.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioNotFound(f"{text!r} cannot be opened: {reason}.") from error


def _some_bytes(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if data is None:
        raise BlockingIOError("the stream has no data yet and does not wait for it")
    if not isinstance(data, bytes):
        raise InvalidOption("Audio has to come from a file opened in binary mode ('rb').")
    return data

"""Recordings on this machine, whatever they are given as."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

from earmark.errors import AudioNotFound

__all__ = ["File", "Recording", "Source", "is_address", "open_recording"]

File = str | PathLike[str] | bytes | BinaryIO
"""A path, the bytes of a file, or a binary file object."""

Source = File | Mapping[str, Any]
"""A file, an http(s) address, or what the server gave: what `Client.upload` returned, or where a
voice is wanted, a document with a voiceprint."""

_SPOOL_BYTES = 16 << 20


def is_address(source: Source) -> TypeGuard[str]:
    return isinstance(source, str) and source.startswith(("http://", "https://"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A file that can be read at any place; ``size`` in bytes."""

    name: str | None
    size: int
    file: BinaryIO
    start: int

    def read(self, offset: int, size: int) -> tuple[bytes, str]:
        """That part, and its SHA-256 (hex)."""
        self.file.seek(self.start + offset)
        data = self.file.read(size)
        return data, hashlib.sha256(data).hexdigest()


@contextmanager
def open_recording(source: File) -> Iterator[Recording]:
    """What is to be sent; a file object is sent from where it stands, and stays open.

    Raises `AudioNotFound`.
    """
    if isinstance(source, bytes):
        yield Recording(name=None, size=len(source), file=io.BytesIO(source), start=0)
    elif isinstance(source, str | PathLike):
        try:
            file = Path(source).open("rb")  # noqa: SIM115 - closed below
        except OSError as error:
            raise AudioNotFound(f"{fspath(source)} cannot be read: {error.strerror}.") from error
        with file:
            yield _recording(file, Path(source).name)
    else:
        name = getattr(source, "name", None)
        name = Path(name).name if isinstance(name, str) else None
        if source.seekable():
            yield _recording(source, name)
        else:
            with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spooled:
                shutil.copyfileobj(source, spooled)
                spooled.seek(0)
                yield _recording(spooled, name)  # type: ignore[arg-type]  # is one in all but name


def _recording(file: BinaryIO, name: str | None) -> Recording:
    start = file.tell()
    size = file.seek(0, io.SEEK_END) - start
    return Recording(name=name, size=size, file=file, start=start)

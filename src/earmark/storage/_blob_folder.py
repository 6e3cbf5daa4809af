"""Blobs as files of a local folder.

The files are written here and not by obstore, whose local store does not wait for the disk: after
a crash of the machine an acknowledged recording could be empty.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from earmark.errors import NotFound
from earmark.storage._blobs import BlobInfo, Blobs, BlobWriter, checked
from earmark.storage._folder import disk_errors, private_folder

__all__ = ["FolderBlobs"]

_PIECE = 1 << 20
_PARTIAL = ".partial"  # beside the blobs: on the same disk, so that a rename is atomic
_TRIES = 10


class FolderBlobs(Blobs):
    """A folder that the server's user alone may enter."""

    def __init__(self, root: Path, *, data_dir: Path) -> None:
        super().__init__(private_folder(data_dir), private_folder(root))
        self.root = root
        self._partial = private_folder(root / _PARTIAL)

    def writer(self, path: str) -> BlobWriter:
        with disk_errors(f"The blob {path!r}"):
            target, partial = self._file(path), self._partial / uuid.uuid4().hex
            return _FileWriter(path, partial, partial.open("xb"), target)

    def get(self, path: str) -> bytes:
        with _reading(path):
            return self._file(path).read_bytes()

    def stream(self, path: str) -> Iterator[bytes]:
        with _reading(path):
            self._file(path).stat()  # a generator would look only when it is asked
        return self._pieces(path)

    def _pieces(self, path: str) -> Iterator[bytes]:
        with self.open_file(path) as file, _reading(path):
            while piece := file.read(_PIECE):
                yield piece

    def open_file(self, path: str) -> BinaryIO:
        with _reading(path):
            return self._file(path).open("rb")

    def delete(self, *paths: str) -> None:
        for path in paths:
            file = self._file(path)
            with disk_errors(f"The blob {path!r}"):
                file.unlink(missing_ok=True)
            with suppress(OSError):  # not empty, or gone
                for folder in file.parents[: path.count("/") - 1]:
                    folder.rmdir()

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        for folder, _, names in os.walk(self.root / prefix):
            for name in names:
                file = Path(folder, name)
                with suppress(FileNotFoundError):  # deleted meanwhile
                    found = file.stat()
                    yield BlobInfo(
                        path=file.relative_to(self.root).as_posix(),
                        size=found.st_size,
                        modified=found.st_mtime,
                    )

    def sweep_partial(self, older_than_s: float) -> int:
        swept = 0
        with disk_errors(f"The folder {self._partial}"):
            for file in self._partial.iterdir():
                with suppress(FileNotFoundError):  # committed meanwhile
                    if file.stat().st_mtime <= time.time() - older_than_s:
                        file.unlink()
                        swept += 1
        return swept

    def check(self) -> None:
        self.writer("check/writable").abort()

    def _file(self, path: str) -> Path:
        return self.root / checked(path)


class _FileWriter(BlobWriter):
    def __init__(self, path: str, partial: Path, file: BinaryIO, target: Path) -> None:
        self._path, self._partial, self._file, self._target = path, partial, file, target
        self._open = True

    def write(self, data: bytes) -> None:
        with self._guarded():
            self._file.write(data)

    def commit(self) -> None:
        with self._guarded():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._place()
        self._open = False

    def abort(self) -> None:
        if self._open:
            self._open = False
            with suppress(OSError):  # what is buffered may find no room
                self._file.close()
            with suppress(OSError):
                self._partial.unlink()

    def _place(self) -> None:
        folder = self._target.parent
        for left in reversed(range(_TRIES)):
            try:
                _make(folder)
                self._partial.replace(self._target)
                break
            except (FileNotFoundError, FileExistsError):
                # The folder was empty, and a deletion took it away: before it was used, or while
                # `mkdir` was looking what is in its way.
                if not left:
                    raise
        _sync(folder)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            with disk_errors(f"The blob {self._path!r}"):
                yield
        except BaseException:
            self.abort()
            raise


def _make(folder: Path) -> None:
    """Make the folder so that it survives a crash of the machine."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Wait until the names in the folder are on the disk; Windows has no such thing."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    with disk_errors(f"The blob {path!r}"):
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"There is no blob {path!r}.") from error

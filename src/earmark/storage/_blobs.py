"""The blob store: recordings, parts of uploads and results, by path.

A local folder or an object store; which one, the settings say. A blob appears whole or not at
all, and is on the disk (or with the object store) once its writer has committed.
"""

from __future__ import annotations

import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

from earmark.errors import InvalidInput, InvalidOption
from earmark.settings import Settings
from earmark.storage._folder import disk_errors
from earmark.storage._layout import BLOBS_FOLDER

__all__ = ["BlobInfo", "BlobWriter", "Blobs"]

_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")


@dataclass(frozen=True, kw_only=True, slots=True)
class BlobInfo:
    """A blob in a list: ``size`` in bytes, ``modified`` in seconds since 1970."""

    path: str
    size: int
    modified: float


class BlobWriter(ABC):
    """Writes one blob, in a few megabytes of memory. Nothing can be read before `commit`.

    As a context manager it commits at the end, or aborts when an error passes through. All
    methods raise `DiskFull` and `StorageUnavailable`; after an error the writer is aborted.
    """

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Add to the end."""

    @abstractmethod
    def commit(self) -> None:
        """Make the blob appear, in place of one that has this path already."""

    @abstractmethod
    def abort(self) -> None:
        """Leave nothing behind. Does nothing once committed or aborted, and raises nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()


class Blobs(ABC):
    """Blobs by path, such as ``media/<tenant>/<id>``. Safe for threads and several processes.

    All methods raise `StorageUnavailable` when the store does not answer within seconds.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders

    @staticmethod
    def open(settings: Settings) -> Blobs:
        """The store that the settings name.

        Raises `InvalidOption` for a URL that names none, `StorageUnavailable` when a folder cannot
        be made.
        """
        url = settings.blob_url
        parts = urlsplit(url or "")
        if url is None or parts.scheme == "file":
            from earmark.storage._blob_folder import FolderBlobs

            if parts.netloc not in ("", "localhost") or (url and not parts.path.strip("/")):
                raise InvalidOption(
                    f"EARMARK_BLOB_URL={url!r} names no folder of this machine:"
                    " give file:///folder."
                )
            root = Path(url2pathname(parts.path)) if url else settings.data_dir / BLOBS_FOLDER
            return FolderBlobs(root, data_dir=settings.data_dir)

        from earmark.storage._blob_objects import ObjectBlobs

        return ObjectBlobs(url, data_dir=settings.data_dir)

    @abstractmethod
    def writer(self, path: str) -> BlobWriter:
        """Begin a blob, of any size."""

    def put(self, path: str, data: bytes) -> None:
        """Write a small blob at once."""
        with self.writer(path) as writer:
            writer.write(data)

    @abstractmethod
    def get(self, path: str) -> bytes:
        """A small blob; raises `NotFound`."""

    @abstractmethod
    def stream(self, path: str) -> Iterator[bytes]:
        """A blob of any size in pieces of a few megabytes at most; raises `NotFound` at once."""

    @abstractmethod
    def open_file(self, path: str) -> BinaryIO:
        """A blob as a file that has a descriptor and can seek; raises `NotFound`.

        The folder's own file, or a temporary one without a name in the data folder.
        """

    @abstractmethod
    def delete(self, *paths: str) -> None:
        """Delete blobs; those that are not there count as deleted."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """All blobs whose path starts with this folder, such as ``media``, in any order."""

    def sweep_partial(self, older_than_s: float) -> int:  # noqa: ARG002 (for those that need it)
        """Delete what killed writers left, this long after their last write; how many.

        An object store hides such parts: there, a lifecycle rule of the bucket deletes them.
        """
        return 0

    @abstractmethod
    def check(self) -> None:
        """Raise `StorageUnavailable` or `DiskFull` unless the store can be used now."""

    def free_bytes(self) -> int:
        """Bytes that fit on the disk of the data folder, or of the blobs if that has less."""
        with disk_errors("The data folder"):
            return min(shutil.disk_usage(folder).free for folder in self._folders)


def checked(path: str) -> str:
    """The path itself; raises `InvalidInput` for one that could lead out of the store."""
    if not _PATH.fullmatch(path):
        raise InvalidInput(f"{path!r} is no path of a blob: give folder/name.")
    return path

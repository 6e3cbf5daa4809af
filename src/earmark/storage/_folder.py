"""The disk: folders that only the server's user may look into, and what goes wrong with files."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from earmark.errors import DiskFull, StorageUnavailable

__all__ = ["disk_errors", "private_file", "private_folder"]


def private_folder(path: Path) -> Path:
    """Make the folder, for its owner alone, unless it is there.

    Raises `StorageUnavailable` when that cannot be done.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageUnavailable(
            f"The folder {path} cannot be made ({error.strerror}): make it, or name another in"
            " EARMARK_DATA_DIR or EARMARK_BLOB_URL."
        ) from error
    return path


def private_file(path: Path) -> Path:
    """Make the file, for its owner alone, unless it is there; and its folder.

    Raises `StorageUnavailable` or `DiskFull` when that cannot be done.
    """
    private_folder(path.parent)
    with disk_errors(f"The file {path}"):
        path.touch(mode=0o600)
    return path


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn errors of the file system into `DiskFull` and `StorageUnavailable`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(
                f"{what} cannot be written ({error.strerror}): make room on the disk."
            ) from error
        raise StorageUnavailable(f"{what} cannot be read or written: {error.strerror}.") from error

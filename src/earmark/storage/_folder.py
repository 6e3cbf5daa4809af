"""The disk: folders that only the server's user may look into, and what goes wrong with files."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from earmark.errors import DiskFull, StorageUnavailable

__all__ = ["disk_errors", "make_secret", "private_file", "private_folder"]


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


def make_secret(path: Path, secret: str, *, replace: bool = False) -> None:
    """Write a line that its owner alone may read; what is there stays, unless it is replaced.

    The file is written aside and put into place whole, so that of several processes that do this
    at once one makes it and all read the same. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=".secret-", dir=path.parent)  # 0600
    aside = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        if replace:
            aside.replace(path)
        else:
            with suppress(FileExistsError):  # theirs is as good
                os.link(aside, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        aside.unlink(missing_ok=True)


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

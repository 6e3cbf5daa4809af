"""The models folder: verified files, placed whole or not at all, by one process at a time.

Beside each file lies a small record, ``<file>.json``: the SHA-256 that was verified, and the size
and modification time the file had then. While those still hold, the file is taken without reading
it again: hashing the 60 MB that the diarizer loads would cost every start 30 to 200 ms. Content is
hashed when a file is fetched or built, when it appears without a record (placed by hand), when
its size or time differ from the record, and whenever `earmark models verify` is asked to. Times
are compared in whole seconds, which image layers and archives keep; fractions they drop.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from stat import S_ISREG

from earmark.errors import DiskFull, ModelCorrupt, ModelMissing

__all__ = [
    "Record",
    "Seen",
    "State",
    "judge",
    "place",
    "read_record",
    "sha256_of",
    "work_folder",
    "write_record",
    "write_verified",
    "writing_to",
]

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
_WORK = ".pull"

_log = logging.getLogger(__name__)

Seen = tuple[Path, int, int]
"""A file that was hashed in this process: path, size in bytes, modification time in ns."""


class State(StrEnum):
    """What is in the models folder for a model."""

    PRESENT = "present"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What was verified of a file: SHA-256 (hex), size in bytes, modification time in seconds."""

    sha256: str
    size: int
    mtime: int


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_record(path: Path) -> Record | None:
    """The record beside the file ``path``; None when there is none that can be used."""
    try:
        return Record(**json.loads(_record_path(path).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def write_record(path: Path, record: Record) -> None:
    """Put a record beside the file ``path``; one that was cut short reads as none."""
    _record_path(path).write_text(json.dumps(asdict(record)) + "\n", encoding="utf-8")


def judge(path: Path, *, sha256: str | None, seen: set[Seen], thorough: bool) -> State:
    """Whether the file ``path`` is the one with that SHA-256, or (None) with that of its record.

    Hashes the file when ``thorough``, or when neither its record nor ``seen`` vouches for it;
    ``seen`` serves folders that take no records because they are read-only.

    Raises:
        PermissionError: the file or its folder cannot be read.
    """
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return State.MISSING
    if not S_ISREG(stat.st_mode):
        return State.CORRUPT
    record = read_record(path)
    expected = sha256 or (record.sha256 if record else None)
    if expected is None:
        return State.MISSING  # built, but nothing says what it should hold: to be built again
    now = Record(sha256=expected, size=stat.st_size, mtime=int(stat.st_mtime))
    stamp = (path, stat.st_size, stat.st_mtime_ns)
    if not thorough and (record == now or stamp in seen):
        return State.PRESENT
    if sha256_of(path) != expected:
        return State.CORRUPT
    seen.add(stamp)
    if record != now:
        try:
            write_record(path, now)
        except OSError as error:  # it only saves time
            _log.debug("no record beside %s: %s", path, error)
    return State.PRESENT


def write_verified(
    chunks: Iterable[bytes], target: Path, *, size: int, sha256: str, origin: str
) -> None:
    """Write ``chunks`` to ``target``, checking size (bytes) and SHA-256 on the way.

    Raises:
        ModelCorrupt: they are not the file that ``size`` and ``sha256`` name.
    """
    digest, written = hashlib.sha256(), 0
    with target.open("wb") as file:
        for chunk in chunks:
            written += len(chunk)
            if written > size:
                break
            digest.update(chunk)
            file.write(chunk)
    if written != size:
        amount = f"more than {size}" if written > size else f"only {written} of {size}"
        raise ModelCorrupt(
            f"{origin} has {amount} bytes: it is not the file of the catalogue;"
            " try again, or choose another source (EARMARK_MODELS_SOURCE)."
        )
    if digest.hexdigest() != sha256:
        raise ModelCorrupt(
            f"{origin} has SHA-256 {digest.hexdigest()} where the catalogue says {sha256};"
            " try again, or choose another source (EARMARK_MODELS_SOURCE)."
        )


def place(part: Path, target: Path, *, sha256: str) -> None:
    """Move the finished file ``part`` to ``target`` with its record; a crash leaves both or none.

    Both must be on one file system. The record goes first: alone it says nothing, whereas a file
    without its record would have to be hashed, or built, again.
    """
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.chmod(0o644)
    stat = part.stat()
    record = Record(sha256=sha256, size=stat.st_size, mtime=int(stat.st_mtime))
    write_record(target, record)
    part.replace(target)


@contextmanager
def writing_to(folder: Path, model_id: str) -> Iterator[None]:
    """Turn the operating system's refusals to write into ``folder`` into errors for people.

    Raises:
        DiskFull: no room, over quota, or over the file size limit.
        ModelMissing: the folder cannot be written to, or is not a folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFull(
                f"There is no room in {folder} to fetch or build {model_id} ({error.strerror}):"
                " free some space, or set EARMARK_MODELS_DIR to a folder on another disk."
            ) from error
        if error.errno in _NOT_ALLOWED:
            raise ModelMissing(
                f"{model_id} is not in {folder}, and cannot be put there ({error.strerror}): fill"
                " that folder with `earmark models pull` as a user who may write to it, or set"
                " EARMARK_MODELS_DIR to a folder that you may write to."
            ) from error
        raise


@contextmanager
def work_folder(folder: Path, unit: str, on_wait: Callable[[], None]) -> Iterator[Path]:
    """An empty folder inside ``folder`` to work on ``unit`` in, removed afterwards.

    Only one process at a time has the unit; ``on_wait`` is called once when another has it. What
    killed processes left behind, for this unit or any that nobody works on, is removed.
    """
    from filelock import FileLock, Timeout

    root = folder / _WORK
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / f"{unit}.lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        on_wait()
        held = lock.acquire()
    with held:
        for left in root.iterdir():
            owner = left.stem
            if not left.is_dir():
                continue
            if owner == unit:
                shutil.rmtree(left, ignore_errors=True)
            else:
                with suppress(Timeout), FileLock(root / f"{owner}.lock", blocking=False):
                    shutil.rmtree(left, ignore_errors=True)
        # A fresh name: the downloader of a killed process may still write to the old one.
        with tempfile.TemporaryDirectory(
            prefix=f"{unit}.", dir=root, ignore_cleanup_errors=True
        ) as work:
            yield Path(work)


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")

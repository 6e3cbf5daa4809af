"""Writing files so that they are whole or absent, and remembering what made them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from earmark.errors import DiskFull, InvalidInput, InvalidOption

__all__ = ["Origin", "Record", "State", "file_sha256", "require_writable", "write_whole"]

_MEMORY = ".earmark"
_SCHEMA = "earmark.made/1"


def write_whole(path: Path, text: str) -> None:
    """Write UTF-8 text beside ``path`` and move it there: a reader never sees half a file.

    Raises `DiskFull`, or `InvalidInput` when the place cannot be written to.
    """
    with _saying_what_failed(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".earmark-{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            temporary.write_text(text, encoding="utf-8", newline="")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def require_writable(folder: Path) -> None:
    """Make the folder if need be. Raises `InvalidOption` when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidOption(f"Cannot make the folder {folder}: {error.strerror}.") from error
    if not os.access(folder, os.W_OK):
        raise InvalidOption(f"The folder {folder} cannot be written to.")


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes. Raises `InvalidInput` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInput(f"Cannot read {path}: {error.strerror}.") from error


class State(Enum):
    """What is known of an output file before the work."""

    ABSENT = auto()
    DONE = auto()
    OUTDATED = auto()
    FOREIGN = auto()


Origin = Mapping[str, Any]
"""What an output is made from: the input's hash and every option that changes the output."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """Remembers what made an output, as ``.earmark/<name>.json`` in the output's folder."""

    target: Path

    def state(self, origin: Callable[[], Origin]) -> State:
        """Whether the output is there, and from the same input and options.

        ``origin`` is asked only when there is a record to compare with. FOREIGN is an output that
        this command did not write, or that was changed since and would now come out differently:
        it is not replaced unasked.
        """
        if not self.target.exists():
            return State.ABSENT
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return State.FOREIGN
        if not isinstance(known, dict) or known.get("schema") != _SCHEMA:
            return State.FOREIGN
        if known.get("origin") == origin():
            return State.DONE
        unchanged = known.get("sha256") == file_sha256(self.target)
        return State.OUTDATED if unchanged else State.FOREIGN

    def write(self, text: str, origin: Origin) -> None:
        """Write the record, then the output: an output without a record would look foreign."""
        record = {
            "schema": _SCHEMA,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "origin": origin,
        }
        write_whole(self._path, json.dumps(record, indent=2) + "\n")
        write_whole(self.target, text)

    @property
    def _path(self) -> Path:
        return self.target.parent / _MEMORY / f"{self.target.name}.json"


@contextmanager
def _saying_what_failed(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"There is no room on the disk to write {path}.") from error
        raise InvalidInput(f"Cannot write {path}: {error.strerror}.") from error

"""A copy of an embedded installation, made while it runs."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from earmark.errors import Conflict, DiskFull, InvalidOption, NotFound
from earmark.settings import Settings
from earmark.storage._folder import private_file
from earmark.storage._keyring import keyring_file
from earmark.storage._layout import BLOBS_FOLDER, DATABASE_FILE, KEY_FILE, MASTER_KEY_FILE

__all__ = ["back_up"]

_BUSY_S = 30.0


def back_up(settings: Settings, target: Path, *, keyring: Path | None = None) -> None:
    """Copy the database, the blobs, the secret and the master key into the folder ``target``.

    What is made is itself a data folder: a server started on (a copy of) it goes on from there,
    and runs the jobs that had not ended. Blobs are copied before and after the database, so that
    all it refers to is there, whatever is added or removed meanwhile. The keyring is not in it:
    whoever is erased after the copy was made is erased in the copy as well. With ``keyring`` it is
    copied too, into that file, for its owner alone.

    Raises `InvalidOption` when the database or the blobs are not in the data folder, or the keyring
    is in no file or its copy would lie with the data, `NotFound` when there is no installation,
    `Conflict` when ``target`` is not empty or there is a file ``keyring``, `DiskFull`.
    """
    if settings.database_url is not None or settings.blob_url is not None:
        raise InvalidOption(
            "Only what is in the data folder is copied: for a PostgreSQL database use pg_dump, for"
            " an object store its own means (first the database, then the objects)."
        )
    source = settings.data_dir
    if not (source / DATABASE_FILE).is_file():
        raise NotFound(f"There is no installation in {str(source)!r}: set EARMARK_DATA_DIR.")
    if target.exists() and any(target.iterdir()):
        raise Conflict(f"The folder {str(target)!r} is not empty: name a new one.")
    keys = None if keyring is None else _keyring_to_copy(settings, target, keyring)
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        _copy_blobs(source / BLOBS_FOLDER, target / BLOBS_FOLDER)
        _copy_database(source / DATABASE_FILE, target / DATABASE_FILE)
        _copy_blobs(source / BLOBS_FOLDER, target / BLOBS_FOLDER)
        _copy_file(source / KEY_FILE, target)
        if keys is None or keyring is None:
            _copy_file(source / MASTER_KEY_FILE, target)
        else:
            # After the database: it then has the data keys of all that is there.
            with _unchanged(keys):  # so that the master key is the one that opens it
                _copy_file(source / MASTER_KEY_FILE, target)
                _copy_database(keys, private_file(keyring))
    except OSError as error:
        raise DiskFull(f"The backup could not be written: {error.strerror}.") from error


def _keyring_to_copy(settings: Settings, target: Path, copy: Path) -> Path:
    source = keyring_file(settings)
    if source is None:
        raise InvalidOption(
            "Only a keyring in a file is copied: for one in PostgreSQL use pg_dump, and keep the"
            " copy apart from those of the server's database."
        )
    if not source.is_file():
        raise NotFound(f"There is no keyring {str(source)!r}: set EARMARK_KEYRING_URL.")
    if copy.exists():
        raise Conflict(f"There is a file {str(copy)!r} already: name a new one.")
    if copy.resolve().is_relative_to(target.resolve()):
        raise InvalidOption(
            f"The keyring's copy {str(copy)!r} would be in the folder {str(target)!r} with the"
            " data: name a file elsewhere."
        )
    return source


@contextmanager
def _unchanged(keyring: Path) -> Iterator[None]:
    """Keep others from writing to the keyring, and so from rotating its master key."""
    database = sqlite3.connect(keyring, timeout=_BUSY_S, isolation_level=None)
    with closing(database):
        database.execute("BEGIN IMMEDIATE")
        yield


def _copy_file(path: Path, folder: Path) -> None:
    if path.is_file():
        shutil.copy2(path, folder / path.name)


def _copy_database(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _copy_blobs(source: Path, target: Path) -> None:
    """Copy the files that are not there yet; those that vanish meanwhile were removed for good."""
    for path in source.glob("[!.]*/**/*"):  # what is half-written lies in a hidden folder
        copy = target / path.relative_to(source)
        if path.is_file() and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                shutil.copy2(path, copy)
            except FileNotFoundError:
                copy.unlink(missing_ok=True)

"""A copy of an embedded installation, made while it runs."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from earmark.errors import Conflict, DiskFull, InvalidOption, NotFound
from earmark.settings import Settings
from earmark.storage._layout import BLOBS_FOLDER, DATABASE_FILE, KEY_FILE

__all__ = ["back_up"]


def back_up(settings: Settings, target: Path) -> None:
    """Copy the database, the blobs and the secret into the folder ``target``.

    What is made is itself a data folder: a server started on (a copy of) it goes on from there,
    and runs the jobs that had not ended. Blobs are copied before and after the database, so that
    all it refers to is there, whatever is added or removed meanwhile.

    Raises `InvalidOption` when the database or the blobs are not in the data folder, `NotFound`
    when there is no installation, `Conflict` when ``target`` is not empty, `DiskFull`.
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
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        _copy_blobs(source / BLOBS_FOLDER, target / BLOBS_FOLDER)
        _copy_database(source / DATABASE_FILE, target / DATABASE_FILE)
        _copy_blobs(source / BLOBS_FOLDER, target / BLOBS_FOLDER)
        if (source / KEY_FILE).is_file():
            shutil.copy2(source / KEY_FILE, target / KEY_FILE)
    except OSError as error:
        raise DiskFull(f"The backup could not be written: {error.strerror}.") from error


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

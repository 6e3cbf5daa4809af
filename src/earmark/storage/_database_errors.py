"""What the errors of the two databases mean to us."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from earmark.errors import DiskFull, EarmarkError, InvalidInput, StorageUnavailable
from earmark.storage._reasons import first_line

__all__ = ["translated"]

# https://www.sqlite.org/rescode.html
_SQLITE_FULL = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_SHMSIZE,  # no room for the index of the journal
)
_SQLITE_AWAY = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_INTERNAL,
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_DISK_FULL = "53100"
_AWAY = (
    "08",  # connection exception
    "25006",  # read-only transaction: a standby
    "25P03",  # idle in transaction for too long
    "40",  # transaction rolled back: deadlock, serialization
    "53",  # insufficient resources
    "55P03",  # lock not available in time
    "57",  # operator intervention: shutdown, canceled by a timeout
    "58",  # system error
    "XX",  # internal error, damaged data
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver raises into `StorageUnavailable`, `DiskFull` or `InvalidInput`.

    Errors of our own making (a wrong statement, a constraint broken) pass as they are.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        ours = _meaning(error)
        if ours is None:
            raise
        raise ours from error
    except sa.exc.TimeoutError as error:
        raise StorageUnavailable(
            "All connections to the database are in use: try again in a moment."
        ) from error
    except (OverflowError, UnicodeEncodeError) as error:  # sqlite3 and psycopg leave them as is
        raise _unstorable(error) from error


def _meaning(error: sa.exc.DBAPIError) -> EarmarkError | None:
    orig = error.orig
    if _is_full(orig):
        return DiskFull("The database cannot grow, its disk is full: make room.")
    if error.connection_invalidated or _is_away(orig):
        return StorageUnavailable(f"The database does not answer: {first_line(orig)}.")
    if isinstance(orig, (psycopg.DataError, sqlite3.DataError)):
        return _unstorable(orig)
    return None


def _unstorable(error: BaseException) -> InvalidInput:
    return InvalidInput(f"The request holds a value that cannot be stored: {first_line(error)}.")


def _is_full(orig: BaseException | None) -> bool:
    if isinstance(orig, psycopg.Error):
        return orig.sqlstate == _DISK_FULL
    return getattr(orig, "sqlite_errorcode", None) in _SQLITE_FULL


def _is_away(orig: BaseException | None) -> bool:
    if isinstance(orig, psycopg.Error):
        if orig.sqlstate is None:  # no word from the server
            return isinstance(orig, (psycopg.OperationalError, psycopg.InterfaceError))
        away = isinstance(orig, psycopg.OperationalError)  # such as "no such database"
        return away or orig.sqlstate.startswith(_AWAY)
    code: int | None = getattr(orig, "sqlite_errorcode", None)
    if isinstance(orig, sqlite3.OperationalError):
        return code != sqlite3.SQLITE_ERROR  # which is a wrong statement
    return code is not None and code & 0xFF in _SQLITE_AWAY  # without its extension

"""The database: SQLite in the data folder, or PostgreSQL, behind two kinds of transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

import psycopg
import sqlalchemy as sa

from earmark.errors import InvalidOption, StorageUnavailable
from earmark.settings import Settings
from earmark.storage._database_errors import translated
from earmark.storage._folder import private_file
from earmark.storage._layout import DATABASE_FILE

__all__ = ["Database"]

_BUSY_S = 30.0
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # what was acknowledged is on the disk
    "foreign_keys=ON",
    "secure_delete=ON",  # what is deleted is overwritten
)
_POOL = 16  # connections; as many again while there is a rush on PostgreSQL

# What libpq and the server are asked for: a server that is gone, or a rival that holds a lock, is
# told of within seconds, and a process that hangs in a transaction loses it.
_CONNECT = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # ms
}
_SESSION = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}


class Database:
    """Connections to the database. Safe for threads; the errors of all its uses are ours.

    Every use raises `StorageUnavailable` when the database does not answer or gives up, `DiskFull`
    when it cannot grow, `InvalidInput` for values that it cannot hold (such as text with NUL).
    """

    def __init__(
        self,
        url: str,
        *,
        setting: str = "EARMARK_DATABASE_URL",
        pragmas: Sequence[str] = _PRAGMAS,
    ) -> None:
        """Connects on first use only. Raises `InvalidOption` for a URL that cannot be right.

        ``setting`` is who named the URL; ``pragmas`` are what SQLite's connections begin with.
        """
        parsed = _parsed(url, setting)
        self.url = parsed
        self.embedded = parsed.get_backend_name() == "sqlite"
        self.engine = _embedded(parsed, pragmas) if self.embedded else _server(parsed, setting)
        self._turn = threading.Lock()
        self._unflushed = False
        self._writing = self.engine.execution_options(writes=True)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The database that the settings name."""
        if settings.database_url is not None:
            return cls(settings.database_url.get_secret_value())
        return cls(f"sqlite:///{settings.data_dir / DATABASE_FILE}")

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads."""
        with translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes, committed at the end; on SQLite one at a time.

        When it raises `StorageUnavailable` because the connection broke during the commit,
        whether the transaction took place is not known.
        """
        # SQLite lets who waits for another writer poll, and nobody says whose turn it is; so the
        # writers of one process queue up here first.
        turn = self._turn if self.embedded else nullcontext()
        with turn, translated(), self._writing.begin() as connection:
            yield connection

    def check(self) -> None:
        """Raise `StorageUnavailable` unless the database answers and has its tables."""
        with self.read() as connection:
            if not sa.inspect(connection).has_table("jobs"):
                raise StorageUnavailable("The database has no tables: restart the server.")

    def erased(self) -> None:
        """Note that something was deleted that is to be in no file: see `flush`."""
        self._unflushed = self.embedded

    def flush(self) -> None:
        """Empty SQLite's log of changes, which holds what was deleted, if anything was `erased`.

        Waits for nobody, since writers would have to wait with it: what readers keep from being
        done now is left to the next call.
        """
        if not self._unflushed:
            return
        with translated(), self.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA busy_timeout = 0")
            try:
                busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                raw.execute(f"PRAGMA busy_timeout = {_BUSY_S * 1000:.0f}")
        self._unflushed = bool(busy)

    def close(self) -> None:
        self.engine.dispose()


def _parsed(url: str, setting: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # Without the cause: it may quote a password with characters that have to be escaped.
        raise InvalidOption(
            f"{setting} is no database URL: give postgresql://user@host/database, with special"
            " characters of the password percent-encoded."
        ) from None
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise InvalidOption(
            f"{setting} names a {backend!r} database: SQLite and PostgreSQL are supported."
        )
    if parsed.database in (None, "", ":memory:"):
        raise InvalidOption(
            f"{setting} names a database in memory, which would forget everything: give"
            " sqlite:////folder/file."
        )
    return parsed.set(drivername="sqlite")


def _embedded(url: sa.URL, pragmas: Sequence[str]) -> sa.Engine:
    private_file(Path(url.database or ""))
    engine = sa.create_engine(
        url, connect_args={"timeout": _BUSY_S}, pool_size=_POOL, hide_parameters=True
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions are begun here, not by the driver
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # Writers queue up at once: a transaction that reads first may find no way to write later.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _server(url: sa.URL, setting: str) -> sa.Engine:
    # Settings in the URL come last and win.
    ours = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    theirs = url.query.get("options", "")
    options = " ".join([ours, *([theirs] if isinstance(theirs, str) else theirs)]).strip()
    connect = {name: value for name, value in _CONNECT.items() if name not in url.query}
    engine = sa.create_engine(
        url.difference_update_query(["options"]),
        connect_args={**connect, "options": options},
        pool_pre_ping=True,
        pool_size=_POOL,
        max_overflow=_POOL,
        hide_parameters=True,  # in messages of errors, which are logged
    )
    _, parameters = engine.dialect.create_connect_args(engine.url)
    parameters.pop("context", None)  # SQLAlchemy's own
    try:
        psycopg.conninfo.make_conninfo(**parameters)
    except psycopg.Error:
        raise InvalidOption(
            f"{setting} has a parameter after its '?' that PostgreSQL does not know."
        ) from None
    return engine

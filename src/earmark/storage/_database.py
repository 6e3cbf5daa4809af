"""The database: SQLite in the data folder, or PostgreSQL, behind two kinds of transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import sqlalchemy as sa

from earmark.errors import DiskFull, InvalidOption, StorageUnavailable
from earmark.settings import Settings

__all__ = ["Database"]

_BUSY_S = 30.0


class Database:
    """Connections to the database. Safe for threads; the errors of all its uses are ours.

    Raises `StorageUnavailable` when the database does not answer, `DiskFull` when it cannot grow.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise InvalidOption(
                "EARMARK_DATABASE_URL is no database URL: give postgresql://user@host/database."
            ) from error
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise InvalidOption(
                f"EARMARK_DATABASE_URL names a {parsed.get_backend_name()} database: "
                "SQLite and PostgreSQL are supported."
            )
        self.url = parsed
        self.embedded = parsed.get_backend_name() == "sqlite"
        self.engine = _embedded(parsed) if self.embedded else _server(parsed)
        self._writing = self.engine.execution_options(writes=True)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The database that the settings name."""
        if settings.database_url is not None:
            return cls(settings.database_url.get_secret_value())
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(f"sqlite:///{settings.data_dir / 'earmark.db'}")

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads."""
        with _translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes, committed at the end; on SQLite one at a time."""
        with _translated(), self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def _embedded(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_S}, pool_size=16)

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions are begun here, not by the driver
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # what was acknowledged is on the disk
            "foreign_keys=ON",
            f"busy_timeout={int(_BUSY_S * 1000)}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # Writers queue up at once: a transaction that reads first may find no way to write later.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _server(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_pre_ping=True, pool_size=16, max_overflow=16)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        if "full" in str(error.orig):
            raise DiskFull("The database cannot grow, its disk is full: make room.") from error
        raise StorageUnavailable(
            f"The database does not answer: {_first_line(error.orig)}."
        ) from error


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "no reason given"

"""A real PostgreSQL for tests: started on a temporary folder, stopped at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from earmark.storage import Database, migrate

__all__ = ["Postgres", "database", "database_url", "mostly", "postgres", "postgres_url"]

PASSWORD = "p@ss/word:1"  # with what has to be escaped in a URL
_DEADLINE_S = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
}


@dataclass(kw_only=True)
class Postgres:
    """A server of its own. It may be stopped and started again, at the same port."""

    programs: Path
    folder: Path
    port: int
    prefix: tuple[str, ...]
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Of the database that every server has."""
        return self.url_of("postgres")

    def url_of(self, name: str) -> str:
        """Of the database of this name."""
        url = sa.URL.create("postgresql", "postgres", PASSWORD, "127.0.0.1", self.port, name)
        return url.render_as_string(hide_password=False)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [text for pair in _SETTINGS.items() for text in ("-c", "=".join(pair))]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self.prefix,
                    str(self.programs / "postgres"),
                    *("-D", str(self.folder / "data"), "-k", str(self.folder)),
                    *("-p", str(self.port), *options),
                ],
                cwd="/",
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _DEADLINE_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise AssertionError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()}")

    def stop(self) -> None:
        """Stop the server as a crash would; connections are cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_DEADLINE_S)
            self._process = None

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of a new, empty database."""
        name = f"test_{uuid.uuid4().hex}"
        self._administer(f"CREATE DATABASE {name}")
        try:
            yield self.url_of(name)
        finally:
            self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    def _administer(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server; without one installed the test is skipped, and the summary says so."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (no initdb): SQLite alone carries the tests")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = Postgres(programs=programs, folder=folder, port=_free_port(), prefix=_prefix(folder))
    try:
        _make_cluster(server)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of a new, empty database, as `EARMARK_DATABASE_URL` takes it."""
    with postgres.fresh() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database of each kind that is supported."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'database' / 'earmark.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


def mostly(kind: str) -> pytest.MarkDecorator:
    """Of a test with a database: one ``kind`` in the fast tier, the other in the slow one."""
    kinds = [
        pytest.param(each, marks=() if each == kind else pytest.mark.slow)
        for each in ("sqlite", "postgresql")
    ]
    return pytest.mark.parametrize("database_url", kinds, indirect=True)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A new database of each kind that is supported, with its tables."""
    opened = Database(database_url)
    try:
        migrate(opened)
        yield opened
    finally:
        opened.close()


def _programs() -> Path | None:
    """The folder of the server's programs, which Debian keeps out of the search path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _version(initdb: Path) -> float:
    return float(initdb.parts[-3])


def _prefix(folder: Path) -> tuple[str, ...]:
    """How to run a program that dies with this one, as a user that PostgreSQL does not refuse.

    The folder is given to that user.
    """
    setpriv = ("setpriv", "--pdeathsig", "QUIT") if shutil.which("setpriv") else ()
    if os.geteuid() != 0:
        return setpriv
    for name in ("postgres", "nobody") if setpriv else ():
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, user.pw_uid, user.pw_gid)
        return (*setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    pytest.skip("PostgreSQL refuses root, and cannot be run as postgres or nobody here")


def _make_cluster(server: Postgres) -> None:
    secret = server.folder / "password"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o644)
    subprocess.run(
        [
            *server.prefix,
            str(server.programs / "initdb"),
            *("-D", str(server.folder / "data"), "-U", "postgres"),
            *("--auth=scram-sha-256", f"--pwfile={secret}"),
            *("--encoding=UTF8", "--locale=C", "--no-sync"),
        ],
        cwd="/",
        check=True,
        capture_output=True,
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port

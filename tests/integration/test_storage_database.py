"""What the database does when its server, disk or callers misbehave; on both kinds."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from earmark.errors import DiskFull, InvalidInput, InvalidOption, StorageUnavailable
from earmark.settings import Settings
from earmark.storage import Database, migrate, tenants
from postgres import Postgres


def _add(connection: sa.Connection, name: str) -> None:
    tenants.insert(connection, tenant_id=name, name=name, webhook_secret="s", now=1.0)


def _names(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.scalars(sa.text("SELECT name FROM tenants")))


@pytest.fixture
def server(postgres: Postgres) -> Iterator[Database]:
    """A database whose server the test stops; it runs again afterwards."""
    with postgres.fresh() as url:
        database = Database(url)
        migrate(database)
        yield database
        database.close()
        postgres.stop()
        postgres.start()


def test_a_transaction_is_kept_as_a_whole_or_not_at_all(database: Database) -> None:
    with database.write() as connection:
        _add(connection, "kept")

    def fail() -> None:
        with database.write() as connection:
            _add(connection, "lost")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert _names(database) == {"kept"}


def test_writers_take_turns(database: Database) -> None:
    with database.write() as connection:
        _add(connection, "t")
    errors: list[BaseException] = []

    def count_up() -> None:
        try:
            for _ in range(20):
                with database.write() as connection:
                    row = tenants.by_name(connection, "t", lock=True)
                    assert row is not None
                    value = (row["retention_s"] or 0) + 1
                    tenants.update(connection, "t", {"retention_s": value})
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=count_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    with database.read() as connection:
        row = tenants.fetch(connection, "t")
    assert row is not None
    assert row["retention_s"] == 160


def test_a_database_with_its_tables_is_ready(database: Database) -> None:
    database.check()


def test_a_database_without_tables_is_not_ready(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(StorageUnavailable, match="no tables"):
        database.check()
    database.close()


@pytest.mark.parametrize("name", ["half \udcff a pair", "n" * 100 + "\0"])
def test_text_that_cannot_be_stored_is_bad_input(postgres_url: str, name: str) -> None:
    database = Database(postgres_url)
    migrate(database)
    with pytest.raises(InvalidInput, match="cannot be stored"), database.read() as connection:
        tenants.fetch(connection, name)
    database.close()


def test_a_number_that_cannot_be_stored_is_bad_input(database: Database) -> None:
    with pytest.raises(InvalidInput, match="cannot be stored"), database.write() as connection:
        connection.execute(sa.text("SELECT name FROM tenants LIMIT :n"), {"n": 10**30})


def test_a_wrong_statement_stays_an_error_of_the_program(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError), database.read() as connection:
        connection.execute(sa.text("SELECT nothing FROM nowhere"))


def test_parameters_are_not_in_messages(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError) as caught, database.read() as connection:
        connection.execute(sa.text("SELECT :secret FROM nowhere"), {"secret": "unspoken"})
    assert "unspoken" not in str(caught.value)


def test_a_full_sqlite_is_a_full_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'small.db'}")
    migrate(database)

    def fill() -> None:
        with database.write() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            for number in range(1000):
                _add(connection, f"{number:064}")

    with pytest.raises(DiskFull, match="make room"):
        fill()
    assert _names(database) == set()
    database.close()


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("53100", DiskFull),
        ("57P01", StorageUnavailable),  # the administrator ends the connection
        ("53300", StorageUnavailable),  # too many connections
        ("25006", StorageUnavailable),  # a standby, read-only
        ("40P01", StorageUnavailable),  # a deadlock
        ("XX001", StorageUnavailable),  # damaged data
        ("22003", InvalidInput),
        ("42501", sa.exc.ProgrammingError),
        ("23505", sa.exc.IntegrityError),
    ],
)
def test_states_of_postgresql_mean(
    postgres_url: str, state: str, expected: type[Exception]
) -> None:
    database = Database(postgres_url)
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'words' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(expected), database.write() as connection:
        connection.exec_driver_sql(raising)
    database.close()


def test_an_unreadable_sqlite_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "earmark.db").write_bytes(b"this is no database" * 100)
    database = Database(f"sqlite:///{tmp_path / 'earmark.db'}")
    with pytest.raises(StorageUnavailable, match="not a database"):
        database.check()
    database.close()


def test_a_server_that_is_away_is_unavailable_and_its_password_secret() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    database = Database(f"postgresql://someone:hidden@127.0.0.1:{port}/none")
    with pytest.raises(StorageUnavailable, match="does not answer") as caught:
        database.check()
    assert "hidden" not in f"{caught.value} {caught.value.__cause__} {database.url}"


def test_a_wrong_password_is_not_repeated(postgres: Postgres) -> None:
    url = sa.make_url(postgres.url).set(password="hidden")
    database = Database(url.render_as_string(hide_password=False))
    with pytest.raises(StorageUnavailable, match="password authentication failed") as caught:
        database.check()
    assert "hidden" not in f"{caught.value} {caught.value.__cause__}"


def test_a_server_that_dies_in_a_transaction_is_unavailable(
    server: Database, postgres: Postgres
) -> None:
    def lose() -> None:
        with server.write() as connection:
            _add(connection, "lost")
            postgres.stop()
            _add(connection, "lost too")

    with pytest.raises(StorageUnavailable):
        lose()
    with pytest.raises(StorageUnavailable):
        server.check()
    postgres.start()
    assert _names(server) == set()  # with a connection of its own, the old ones being dead


def test_a_server_that_dies_at_the_commit_is_unavailable(
    server: Database, postgres: Postgres
) -> None:
    def lose() -> None:
        with server.write() as connection:
            _add(connection, "lost")
            postgres.stop()

    with pytest.raises(StorageUnavailable):
        lose()


def test_an_ended_connection_is_replaced(postgres_url: str) -> None:
    database = Database(postgres_url)
    migrate(database)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    database.check()
    database.close()


def test_a_lock_is_not_waited_for_forever(postgres_url: str) -> None:
    database = Database(postgres_url + "?options=-c%20lock_timeout%3D100ms")
    migrate(database)
    with database.write() as connection:
        _add(connection, "t")
    with database.write() as first:
        tenants.by_name(first, "t", lock=True)
        with pytest.raises(StorageUnavailable, match="lock timeout"), database.write() as second:
            tenants.by_name(second, "t", lock=True)
    database.close()


def test_sessions_have_limits(postgres_url: str) -> None:
    database = Database(postgres_url + "?application_name=tests")
    with database.read() as connection:
        found = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in (
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
                "application_name",
            )
        }
    assert found == {
        "statement_timeout": "30s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "1min",
        "application_name": "tests",
    }
    database.close()


def test_what_was_committed_survives_the_process(database_url: str) -> None:
    database = Database(database_url)
    migrate(database)
    with database.write() as connection:
        _add(connection, "kept")
    database.close()
    again = Database(database_url)
    assert _names(again) == {"kept"}
    again.close()


def test_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'earmark.db'}")
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "no url",
        "mysql://user@host/database",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://user:hidden@1:2@host:port/database",
        "postgresql://user:hidden@host/database?no_such_parameter=1",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidOption, match="EARMARK_DATABASE_URL") as caught:
        Database(url)
    assert "hidden" not in f"{caught.value} {caught.value.__cause__}"


def test_the_data_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    database = Database.open(Settings(data_dir=tmp_path / "new" / "data"))
    migrate(database)
    assert (tmp_path / "new" / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "data" / "earmark.db").is_file()
    database.close()


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="file/data"):
        Database.open(Settings(data_dir=tmp_path / "file" / "data"))


def test_what_was_deleted_is_in_no_file_of_sqlite(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'earmark.db'}")
    migrate(database)
    with database.write() as connection:
        _add(connection, "a-name-to-be-forgotten")
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM tenants")
    database.erased()
    with database.read() as connection:
        connection.exec_driver_sql("SELECT * FROM tenants").all()
        database.flush()  # not now, and nobody is waited for
    database.flush()
    files = list(tmp_path.glob("earmark.db*"))
    assert len(files) >= 2
    assert not [file for file in files if b"a-name-to-be-forgotten" in file.read_bytes()]
    database.close()

"""The migrations make the tables that the program works with, whoever comes first."""

from __future__ import annotations

import logging
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from filelock import FileLock

from earmark.errors import StorageUnavailable
from earmark.storage import Database, _migrate, migrate
from earmark.storage._schema import metadata

_ROOT = Path(__file__).parents[2]
_PROCESS = """
import sys
from earmark.storage import Database, migrate
print("ready", flush=True)
sys.stdin.readline()
migrate(Database(sys.argv[1]))
"""
_CUT_OFF = """
import os, sys, sqlalchemy as sa
from earmark.storage import Database, migrate
database = Database(sys.argv[1])
@sa.event.listens_for(database.engine, "after_cursor_execute")
def die(connection, cursor, statement, *_):
    if "CREATE TABLE jobs" in statement:
        os._exit(9)
migrate(database)
"""


def test_the_migrations_make_the_tables_of_the_program(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_difference_would_be_seen(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("DROP INDEX ix_jobs_media_id")
    with database.read() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    assert [difference[0] for difference in found] == ["add_index"]


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO tenants (id, name, created_at, webhook_secret, served_at)"
            " VALUES ('t', 'kept', 0, 's', 0)"
        )
    migrate(database)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT name FROM tenants").scalar() == "kept"


def test_several_processes_may_start_at_once(database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    database = Database(database_url)
    database.check()
    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version").all()
    assert len(rows) == 1
    database.close()


def test_a_migration_that_is_cut_off_leaves_nothing(database_url: str) -> None:
    command = [sys.executable, "-c", _CUT_OFF, database_url]
    process = subprocess.run(command, check=False)
    assert process.returncode == 9
    database = Database(database_url)
    with database.read() as connection:
        assert sa.inspect(connection).get_table_names() == []
    migrate(database)
    database.check()
    database.close()


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageUnavailable, match=r"A newer version of Earmark.*'9999'"):
        migrate(database)
    with database.read() as connection:
        assert sa.inspect(connection).has_table("jobs")


def test_a_migration_elsewhere_is_not_waited_for_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_migrate, "_WAIT_S", 0.1)
    database = Database(f"sqlite:///{tmp_path / 'earmark.db'}")
    lock = FileLock(tmp_path / "earmark.db.lock")
    with lock, pytest.raises(StorageUnavailable, match="Another process"):
        migrate(database)
    migrate(database)
    database.close()


def test_logs_are_left_alone(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    mine = logging.getLogger("earmark.tests")
    before = logging.getLogger().handlers[:]
    with caplog.at_level(logging.INFO):
        migrate(database)
        mine.info("still heard")
    assert [record.message for record in caplog.records] == ["still heard"]
    assert logging.getLogger().handlers == before


def test_the_wheel_carries_the_migrations(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=_ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    here = _ROOT / "src"
    expected = {
        path.relative_to(here).as_posix()
        for path in (here / "earmark" / "storage" / "_migrations").rglob("*.py")
    }
    assert "earmark/storage/_migrations/env.py" in expected
    assert expected <= set(zipfile.ZipFile(wheel).namelist())

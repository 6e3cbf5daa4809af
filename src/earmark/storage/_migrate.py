"""The migrations: bring a database to the tables of this version."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock, Timeout

from earmark.errors import StorageUnavailable
from earmark.storage._database import Database
from earmark.storage._folder import disk_errors

__all__ = ["migrate"]

_LOCK = 0x6561726D61726B  # "earmark": the number of the advisory lock
_WAIT_S = 300.0


def migrate(database: Database) -> None:
    """Make or upgrade the tables, in one transaction.

    Several processes may call this at once: one of them works, the others wait.

    Raises:
        StorageUnavailable: a newer version of Earmark made the database; or it does not answer,
            or another process migrates for longer than five minutes.
        DiskFull: there is no room for the tables.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of its every step
    config = Config()
    folder = Path(__file__).with_name("_migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    with ExitStack() as stack:
        if database.embedded:
            _lock_file(stack, database)
        connection = stack.enter_context(database.write())
        if not database.embedded:
            _lock_server(connection)
        _refuse_newer(config, connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _lock_file(stack: ExitStack, database: Database) -> None:
    # A transaction is not enough here: two that make the file at once meet before they have one.
    lock = FileLock(f"{database.url.database}.lock", timeout=_WAIT_S)
    with disk_errors(f"The file {lock.lock_file}"):
        try:
            stack.enter_context(lock)
        except Timeout as error:
            raise _busy() from error


def _lock_server(connection: sa.Connection) -> None:
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_S:.0f}s'")
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _refuse_newer(config: Config, connection: sa.Connection) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    for revision in MigrationContext.configure(connection).get_current_heads():
        if revision not in known:
            raise StorageUnavailable(
                f"A newer version of Earmark made this database (its revision is {revision!r}):"
                " run that version, or restore a backup from before the upgrade."
            )


def _busy() -> StorageUnavailable:
    return StorageUnavailable(
        f"Another process has been migrating the database for {_WAIT_S:.0f} s: look what it does."
    )

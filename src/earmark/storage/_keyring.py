"""The keyring: one data key per speaker or job, apart from the database.

Each data key is encrypted with a master key. To erase somebody is to delete their data key: what
was encrypted with it can then be read no more, wherever a copy of it lies.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa

from earmark.errors import InvalidOption, KeyringError, StorageUnavailable
from earmark.settings import Settings
from earmark.storage import _installation as installation
from earmark.storage._database import Database
from earmark.storage._insert import insert_new
from earmark.storage._layout import KEYRING_FILE
from earmark.storage._master_key import MasterKeys

__all__ = ["Keyring", "keyring_file"]

_SETTING = "EARMARK_KEYRING_URL"
_KEY_BYTES = 32
_AT_ONCE = 5000
_LOCK = 0x6B657972696E67  # "keyring": the number of the advisory lock
_CHECK = "check"  # what tells whether a master key is the right one

# A deleted key is overwritten, and is in no journal that stays.
_PRAGMAS = ("journal_mode=DELETE", "synchronous=EXTRA", "secure_delete=ON")

_metadata = sa.MetaData()

_about = sa.Table(
    "keyring",
    _metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
)

_data_keys = sa.Table(
    "data_keys",
    _metadata,
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("master", sa.String(16), nullable=False, index=True),  # id of the master key
    sa.Column("wrapped", sa.LargeBinary, nullable=False),  # the data key, encrypted with it
    sa.Column("created_at", sa.Double, nullable=False, index=True),
    sa.Column("unowned_since", sa.Double),  # when its owner was found to be gone
)


class Keyring:
    """Data keys by owner. Safe for threads and for several processes at once.

    All uses raise `KeyringError` when the keyring does not answer, or its master key is not here.
    """

    def __init__(self, database: Database, masters: MasterKeys, *, place: str) -> None:
        self._database = database
        self._masters = masters
        self.place = place
        self.id = self._prepare()

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The keyring that the settings name, made when it is not there.

        Raises `KeyringError` when it cannot be opened, `InvalidOption` for settings that cannot be
        right: a keyring in the data folder or in the server's own database, whose copies would
        bring back what was erased.
        """
        database, place = _located(settings)
        try:
            return cls(database, MasterKeys.open(settings), place=place)
        except BaseException:
            database.close()
            raise

    def keys(self, owners: Collection[str]) -> dict[str, bytes]:
        """The data keys of those of the owners that have one."""
        found: dict[str, bytes] = {}
        with self._reading() as connection:
            for batch in _batches(owners):
                query = sa.select(_data_keys.c.owner, _data_keys.c.master, _data_keys.c.wrapped)
                rows = connection.execute(query.where(_data_keys.c.owner.in_(batch))).all()
                for owner, master, wrapped in rows:
                    found[owner] = self._masters.unwrap(owner, master, wrapped)
        return found

    def known(self, owners: Collection[str]) -> set[str]:
        """Those of the owners that have a data key."""
        found: set[str] = set()
        with self._reading() as connection:
            for batch in _batches(owners):
                query = sa.select(_data_keys.c.owner).where(_data_keys.c.owner.in_(batch))
                found.update(connection.scalars(query))
        return found

    def make(self, owner: str, allowed: Callable[[], None]) -> bytes:
        """The owner's data key, made unless there is one; ``allowed`` may refuse by raising."""
        with self._writing() as connection:
            allowed()
            # Under the lock, so that no key is wrapped by a master key that was rotated away.
            self._masters.reload()
            self._confirm(connection)
            key = os.urandom(_KEY_BYTES)
            master, wrapped = self._masters.wrap(owner, key)
            row = {"owner": owner, "master": master, "wrapped": wrapped, "created_at": time.time()}
            if insert_new(connection, _data_keys, row):
                return key
        return self.keys([owner])[owner]

    def delete(self, owners: Collection[str]) -> int:
        """Delete data keys for good: on the disk when this returns. How many there were."""
        deleted = 0
        if not owners:
            return deleted
        with self._writing() as connection:
            if not self._database.embedded:
                connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
            for batch in _batches(owners):
                gone = connection.execute(_data_keys.delete().where(_data_keys.c.owner.in_(batch)))
                deleted += gone.rowcount
        return deleted

    def owners(self, before: float) -> Iterator[dict[str, float | None]]:
        """Whose data keys were made before that time, and since when they are unowned, in parts."""
        last = ""
        columns = (_data_keys.c.owner, _data_keys.c.unowned_since)
        while True:
            query = sa.select(*columns).where(
                _data_keys.c.created_at < before, _data_keys.c.owner > last
            )
            with self._reading() as connection:
                rows = connection.execute(query.order_by(_data_keys.c.owner).limit(500)).all()
            if not rows:
                return
            yield {row.owner: row.unowned_since for row in rows}
            last = rows[-1].owner

    def mark(self, owners: Collection[str], unowned_since: float | None) -> None:
        """Note since when these data keys have no owner any more; None: they have one."""
        if owners:
            with self._writing() as connection:
                marked = _data_keys.update().where(_data_keys.c.owner.in_(owners))
                connection.execute(marked.values(unowned_since=unowned_since))

    def masters(self) -> dict[str, int]:
        """How many data keys each master key encrypts, by its id; the first one encrypts new ones.

        Those of this process are there in any case.
        """
        query = sa.select(_data_keys.c.master, sa.func.count()).group_by(_data_keys.c.master)
        with self._reading() as connection:
            counts = {str(master): int(count) for master, count in connection.execute(query)}
        return {each: counts.get(each, 0) for each in (*self._masters.ids, *sorted(counts))}

    def rotate(self) -> int:
        """Encrypt every data key with the first master key; how many were with another one.

        A master key from a file is made new before, and those before it removed. Servers may go
        on meanwhile, and others rotate: the file is changed only while nobody else writes to it or
        to the keyring, and keeps every master key that encrypts anything. The data stays as it is.
        """
        with self._masters.changing(), self._writing() as connection:
            self._confirm(connection)
            self._masters.add()
        rotated = 0
        while count := self._rotate_some():
            rotated += count
        with self._masters.changing(), self._writing() as connection:
            self._masters.drop(self._needed(connection))
        return rotated

    def note(self, name: str, value: str) -> None:
        """Note something under this name, whatever was there."""
        with self._writing() as connection:
            installation.note(connection, name, value, table=_about)

    def noted(self, name: str) -> str | None:
        """What is noted under this name."""
        with self._reading() as connection:
            return installation.noted(connection, name, table=_about)

    def empty(self) -> bool:
        """Whether it holds no data key."""
        with self._reading() as connection:
            return not _any_key(connection)

    def close(self) -> None:
        self._database.close()

    def _prepare(self) -> str:
        """Make the tables, see that the master key is the right one; the keyring's own id."""
        with self._told(), self._database.write() as connection:
            if not self._database.embedded:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            _metadata.create_all(connection)
            self._masters.reload()
            mine = installation.settle(connection, "id", str(uuid.uuid4()), table=_about)
            check = installation.settle(connection, _CHECK, self._check_value(mine), table=_about)
            if not _any_key(connection) and check.partition(" ")[0] not in self._masters.ids:
                self._set_check(connection, mine)  # there is nothing that the other one opens
            self._confirm(connection)
        return mine

    def _confirm(self, connection: sa.Connection) -> None:
        """Raise `KeyringError` unless the master keys here are those of this keyring."""
        master, wrapped = _check_in(connection)
        self._masters.unwrap(_CHECK, master, bytes.fromhex(wrapped))

    def _check_value(self, text: str) -> str:
        master, wrapped = self._masters.wrap(_CHECK, text.encode())
        return f"{master} {wrapped.hex()}"

    def _set_check(self, connection: sa.Connection, text: str) -> None:
        installation.note(connection, _CHECK, self._check_value(text), table=_about)

    def _needed(self, connection: sa.Connection) -> set[str]:
        """The ids of the master keys that encrypt anything."""
        used = connection.scalars(sa.select(_data_keys.c.master).distinct())
        return {_check_in(connection)[0], *used}

    def _rotate_some(self) -> int:
        """Encrypt some data keys with the first master key; none left: the check as well."""
        with self._writing() as connection:
            self._masters.reload()  # somebody else may have begun to rotate
            query = sa.select(_data_keys.c.owner, _data_keys.c.master, _data_keys.c.wrapped)
            others = query.where(_data_keys.c.master != self._masters.ids[0]).limit(_AT_ONCE)
            rows = connection.execute(others).all()
            if not rows:
                self._set_check(connection, self.id)
                return 0
            changed = []
            for owner, old, wrapped in rows:
                master, new = self._masters.wrap(owner, self._masters.unwrap(owner, old, wrapped))
                changed.append({"of": owner, "by": master, "as": new})
            update = _data_keys.update().where(_data_keys.c.owner == sa.bindparam("of"))
            update = update.values(master=sa.bindparam("by"), wrapped=sa.bindparam("as"))
            connection.execute(update, changed)
            return len(changed)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._told(), self._database.read() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that writes, one at a time, so that none misses a rotation."""
        with self._told(), self._database.write() as connection:
            if not self._database.embedded:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except StorageUnavailable as error:
            raise KeyringError(f"The keyring in {self.place} cannot be used. {error}") from error
        except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
            raise KeyringError(
                f"The keyring in {self.place} has lost its tables: restore it from its backup, and"
                " restart the server."
            ) from error


def _check_in(connection: sa.Connection) -> tuple[str, str]:
    """The id of the master key that the check is encrypted with, and the check as hex."""
    master, _, wrapped = str(installation.noted(connection, _CHECK, table=_about)).partition(" ")
    return master, wrapped


def _any_key(connection: sa.Connection) -> bool:
    return connection.scalar(sa.select(_data_keys.c.owner).limit(1)) is not None


def keyring_file(settings: Settings) -> Path | None:
    """The file that the settings say the keyring is in; None when it is in PostgreSQL.

    Raises `InvalidOption` for settings that cannot be right.
    """
    data = settings.data_dir.absolute()
    if settings.keyring_url is None:
        return data.with_name(f"{data.name}.keyring") / KEYRING_FILE
    parts = urlsplit(settings.keyring_url.get_secret_value())
    if parts.scheme in ("postgresql", "postgres"):
        return None
    if parts.scheme != "file":
        raise InvalidOption(
            f"{_SETTING} is neither a file (file:///folder/{KEYRING_FILE}) nor a PostgreSQL"
            " database (postgresql://user@host/database): give one of them."
        )
    path = Path(unquote(parts.path))
    if parts.netloc or not path.is_absolute() or path.is_dir():
        raise InvalidOption(f"{_SETTING} names no file: give file:///folder/{KEYRING_FILE}.")
    if path.resolve().is_relative_to(data.resolve()):
        raise InvalidOption(
            f"{_SETTING} names a file in the data folder {data}, whose copies would bring back what"
            " was erased: name one outside of it."
        )
    return path


def _located(settings: Settings) -> tuple[Database, str]:
    """The database of the keyring, and what to call its place to people."""
    path = keyring_file(settings)
    if path is not None:
        return _file(path)
    assert settings.keyring_url is not None
    database = Database(settings.keyring_url.get_secret_value(), setting=_SETTING)
    if settings.database_url is not None:
        own = Database(settings.database_url.get_secret_value())
        if _where(own.url) == _where(database.url):
            raise InvalidOption(
                f"{_SETTING} names the server's own database, whose backups would bring back what"
                " was erased: give the keyring another one."
            )
    return database, f"the database of {_SETTING}"


def _file(path: Path) -> tuple[Database, str]:
    url = sa.URL.create("sqlite", database=str(path)).render_as_string()
    try:
        return Database(url, setting=_SETTING, pragmas=_PRAGMAS), str(path)
    except StorageUnavailable as error:
        raise KeyringError(
            f"The keyring {path} can be neither opened nor made: let this user write to its"
            f" folder, or name another place in {_SETTING}."
        ) from error


def _where(url: sa.URL) -> tuple[object, ...]:
    return (url.get_backend_name(), url.host, url.port or 5432, url.database)


def _batches(owners: Collection[str]) -> Iterator[list[str]]:
    remaining = iter(owners)
    while batch := list(islice(remaining, _AT_ONCE)):
        yield batch

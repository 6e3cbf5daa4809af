"""What every use case works on."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from earmark.errors import StorageUnavailable
from earmark.service._secret import keyed_hash, read_secret
from earmark.settings import Settings
from earmark.storage import Blobs, Database, Vault, installation, migrate

__all__ = ["Store"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """The settings, the database, the blobs, the vault and the secret of this installation."""

    settings: Settings
    database: Database
    blobs: Blobs
    vault: Vault
    secret: bytes

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open what the settings name; the database is brought to this version's schema.

        Raises `StorageUnavailable`, `KeyringError` or `DiskFull` when that cannot be done now,
        `InvalidOption` for settings that cannot be right.
        """
        database = Database.open(settings)
        migrate(database)
        secret = read_secret(settings)
        mark = keyed_hash(secret, "installation", b"").hex()
        with database.write() as connection:
            same = installation.settle(connection, "secret", mark) == mark
        if not same:
            _log.warning(
                "This database was set up with another secret, so keys made with that one are"
                " unknown here: give every machine the same EARMARK_SECRET_KEY."
            )
        return cls(
            settings=settings,
            database=database,
            blobs=Blobs.open(settings),
            vault=Vault.unlock(settings, database),
            secret=secret,
        )

    def close(self) -> None:
        with suppress(StorageUnavailable):  # then the next one empties the log
            self.database.flush()
        self.vault.close()
        self.database.close()

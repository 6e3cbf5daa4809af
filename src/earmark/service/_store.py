"""What every use case works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from earmark.service._secret import read_secret
from earmark.settings import Settings
from earmark.storage import Blobs, Database, migrate

__all__ = ["Store"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """The settings, the database, the blobs, and the secret of this installation."""

    settings: Settings
    database: Database
    blobs: Blobs
    secret: bytes

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open what the settings name; the database is brought to this version's schema.

        Raises `StorageUnavailable` or `DiskFull` when that cannot be done now, `InvalidOption`
        for settings that cannot be right.
        """
        database = Database.open(settings)
        migrate(database)
        return cls(
            settings=settings,
            database=database,
            blobs=Blobs.open(settings),
            secret=read_secret(settings),
        )

    def close(self) -> None:
        self.database.close()

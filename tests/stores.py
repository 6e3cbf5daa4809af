"""A store on a test's database."""

from __future__ import annotations

from earmark.service import Store
from earmark.settings import Settings
from earmark.storage import Blobs, Database, Vault

__all__ = ["store_on"]


def store_on(database: Database, settings: Settings) -> Store:
    """Blobs and vault are where the settings say, the database is where the test has it."""
    return Store(
        settings=settings,
        database=database,
        blobs=Blobs.open(settings),
        vault=Vault.unlock(settings, database),
        secret=b"s" * 32,
    )

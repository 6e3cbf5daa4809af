"""The vault: what says who somebody is, encrypted with a data key of their own.

Sealed bytes are a version (1), a nonce (12 bytes), and what AES-256-GCM (NIST SP 800-38D) makes of
the data, bound to its owner and purpose: moved to another owner or another use, they do not open.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from earmark.errors import Gone, KeyringError
from earmark.settings import Settings
from earmark.storage import _installation as installation
from earmark.storage._database import Database
from earmark.storage._keyring import Keyring
from earmark.storage._schema import job_voiceprints, jobs, samples, speakers, voiceprints

__all__ = ["KeyringStatus", "Vault"]

_VERSION = b"\x01"
_NONCE = 12
_HEAD = len(_VERSION) + _NONCE
_UNBORN_S = 3600.0  # younger keys may be about to get their row
_UNOWNED_S = 7 * 86400.0
_NEWEST = 1000  # speakers who are looked at when the vault is opened

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyringStatus:
    """How a keyring and its database fit.

    ``masters`` is how many data keys each master key encrypts, the one that encrypts new ones
    first. ``lacking`` is how many speakers have voiceprints and no data key, ``unowned`` how many
    data keys belong to nobody (any more). ``foreign`` says why the keyring is not this database's.
    """

    place: str
    data_keys: int
    masters: dict[str, int]
    lacking: int
    unowned: int
    foreign: str | None


class Vault:
    """Seals and opens; safe for threads. Owners are the ids of speakers and jobs.

    No data key is kept in memory: once one is deleted, by any process, nothing of its owner opens.
    All uses raise `KeyringError` when the keyring does not answer, or is not this database's.
    """

    def __init__(self, keyring: Keyring, database: Database) -> None:
        self._keyring = keyring
        self._database = database
        self._foreign = self._join()

    @classmethod
    def unlock(cls, settings: Settings, database: Database) -> Self:
        """The vault of this database, with the keyring that the settings name.

        That the keyring is another database's, or lacks keys, is logged: nobody is named then, and
        nobody enrolled, but all else goes on. See `Keyring.open` for what is raised.
        """
        keyring = Keyring.open(settings)
        try:
            vault = cls(keyring, database)
            vault._warn()
        except BaseException:
            keyring.close()
            raise
        return vault

    def seal(self, owner: str, data: bytes, *, purpose: str) -> bytes:
        """Encrypt for this owner, whose data key is made at first."""
        self._check()
        key = self._keyring.keys([owner]).get(owner)
        if key is None:
            key = self._keyring.make(owner, self._still_ours)
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + AESGCM(key).encrypt(nonce, data, _bound(owner, purpose))

    def open(self, owner: str, sealed: bytes, *, purpose: str) -> bytes:
        """What was sealed. Raises `Gone` when the owner's data key is no more."""
        (data,) = self.open_many([(owner, sealed)], purpose=purpose)
        if data is None:
            raise Gone(
                f"What was kept of {owner!r} can be read no more: its data key was deleted, as it"
                " is when somebody is erased, or is another one by now."
            )
        return data

    def open_many(self, items: Iterable[tuple[str, bytes]], *, purpose: str) -> list[bytes | None]:
        """What was sealed for these owners, in their order; None where the data key is no more.

        So also where it is another one by now, as after a loss of the keyring: what cannot be read
        of one owner keeps nobody from reading the rest.
        """
        self._check()
        items = list(items)
        keys = self._keyring.keys({owner for owner, _ in items})
        return [
            _opened(keys[owner], owner, sealed, purpose) if owner in keys else None
            for owner, sealed in items
        ]

    def forget(self, *owners: str) -> None:
        """Delete the data keys of these owners: nothing that was sealed for them opens again.

        It is on the disk when this returns. Owners without a data key are no error.
        """
        if owners:
            self._check()
            self._keyring.delete(owners)

    def sweep(self, now: float) -> int:
        """Delete data keys whose owner has been gone for a week; how many.

        An erasure does not wait for this: it is for keys whose owner never came to be. A week, in
        which an older copy of the database may be tried beside the keyring without harm.
        """
        self._check()
        swept = 0
        for batch in self._keyring.owners(now - _UNBORN_S):
            with self._database.read() as connection:
                known = _known(connection, batch)
            owned_again = [owner for owner in known if batch[owner] is not None]
            since = {owner: batch[owner] or now for owner in batch.keys() - known}
            self._keyring.mark(owned_again, None)
            self._keyring.mark([owner for owner in since if batch[owner] is None], now)
            swept += self._keyring.delete(
                [owner for owner, found_at in since.items() if found_at <= now - _UNOWNED_S]
            )
        return swept

    def rotate(self) -> int:
        """See `Keyring.rotate`."""
        return self._keyring.rotate()

    def adopt(self) -> None:
        """Take the keyring for this database's, whatever both knew before.

        For when the right one is lost: what was sealed with its keys stays unreadable.
        """
        self._bind()
        self._foreign = None

    def status(self) -> KeyringStatus:
        masters, unowned = self._keyring.masters(), 0
        for batch in self._keyring.owners(float("inf")):
            with self._database.read() as connection:
                unowned += len(batch.keys() - _known(connection, batch))
        return KeyringStatus(
            place=self._keyring.place,
            data_keys=sum(masters.values()),
            masters=masters,
            lacking=self._lacking(None),
            unowned=unowned,
            foreign=self._foreign,
        )

    def close(self) -> None:
        self._keyring.close()

    def _check(self) -> None:
        if self._foreign is not None:
            raise KeyringError(self._foreign)

    def _join(self) -> str | None:
        """Bring keyring and database together, if either knows no other; why not, otherwise."""
        with self._database.write() as connection:
            database_id = installation.settle(connection, "id", str(uuid.uuid4()))
            keyring_id = installation.noted(connection, "keyring")
        of = self._keyring.noted("database")
        if of == database_id and keyring_id == self._keyring.id:
            return None
        if of not in (None, database_id) and not self._keyring.empty():
            return (
                f"The keyring in {self._keyring.place} belongs to another database: name this"
                " one's in EARMARK_KEYRING_URL, or, if that is lost, run `earmark keyring adopt`."
            )
        if keyring_id not in (None, self._keyring.id) and self._seals_anything():
            return (
                "The voiceprints of this database are encrypted with another keyring than the one"
                f" in {self._keyring.place}: name the right one in EARMARK_KEYRING_URL, the same"
                " for every process, or, if it is lost, run `earmark keyring adopt`."
            )
        self._bind()
        return None

    def _seals_anything(self) -> bool:
        queries = (
            sa.select(voiceprints.c.id),
            sa.select(job_voiceprints.c.job_id),
            sa.select(samples.c.id).where(samples.c.blob.is_not(None)),
            sa.select(jobs.c.id).where(jobs.c.sealed_blob.is_not(None) | jobs.c.result_sealed),
        )
        with self._database.read() as connection:
            return any(connection.execute(query.limit(1)).first() for query in queries)

    def _bind(self) -> None:
        with self._database.write() as connection:
            database_id = installation.settle(connection, "id", str(uuid.uuid4()))
            installation.note(connection, "keyring", self._keyring.id)
        self._keyring.note("database", database_id)

    def _still_ours(self) -> None:
        """Raise `KeyringError` when another process has brought another keyring since."""
        with self._database.read() as connection:
            keyring_id = installation.noted(connection, "keyring")
        if keyring_id != self._keyring.id:
            raise KeyringError(
                f"Another process keeps this database's data keys elsewhere than in"
                f" {self._keyring.place}: give all the same EARMARK_KEYRING_URL."
            )

    def _warn(self) -> None:
        if self._foreign is not None:
            _log.warning("%s", self._foreign)
        elif lacking := self._lacking(_NEWEST):
            _log.warning(
                "At least %d speakers have no data key in the keyring (%s), so their voiceprints"
                " cannot be read: they were erased after the database was copied, or the keyring"
                " is an old one. `earmark keyring status` counts them all.",
                lacking,
                self._keyring.place,
            )

    def _lacking(self, newest: int | None) -> int:
        """How many speakers, of the newest so many, have voiceprints and no data key."""
        enrolled = sa.exists().where(voiceprints.c.speaker_id == speakers.c.id)
        query = sa.select(speakers.c.id).where(enrolled).order_by(speakers.c.created_at.desc())
        if newest is not None:
            query = query.limit(newest)
        with self._database.read() as connection:
            owners = set(connection.scalars(query))
        return len(owners - self._keyring.known(owners))


def _bound(owner: str, purpose: str) -> bytes:
    return f"{purpose}\0{owner}".encode()


def _opened(key: bytes, owner: str, sealed: bytes, purpose: str) -> bytes | None:
    """What was sealed; None when the key is not the one that it was sealed with."""
    try:
        if sealed[:1] != _VERSION:
            raise InvalidTag
        return AESGCM(key).decrypt(
            sealed[len(_VERSION) : _HEAD], sealed[_HEAD:], _bound(owner, purpose)
        )
    except (InvalidTag, ValueError):
        _log.warning("What was kept of %r does not fit its data key, and cannot be read.", owner)
        return None


def _known(connection: sa.Connection, owners: Iterable[str]) -> set[str]:
    """Those of the owners that are still there; a job whose time is over is not."""
    owners = list(owners)
    found = set(connection.scalars(sa.select(speakers.c.id).where(speakers.c.id.in_(owners))))
    kept = sa.select(jobs.c.id).where(jobs.c.id.in_(owners), jobs.c.state != "expired")
    return found | set(connection.scalars(kept))

"""Erasing people, on request or because their time is over.

First it is noted that they are to be erased: from then on nothing can be added, nobody is matched
with them, and whoever sweeps next goes on should this process end. Then their data keys are
deleted: from then on nothing that was ever kept of them can be read, in no copy of the database
either. The rows go last, in one transaction with the receipt, and the recordings after them.
"""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress

import sqlalchemy as sa

from earmark.errors import NotFound
from earmark.service._audit import note
from earmark.service._people import Receipt
from earmark.service._receipts import sign_receipt
from earmark.service._store import Store
from earmark.storage import consents as consent_rows
from earmark.storage import galleries as gallery_rows
from earmark.storage import samples as sample_rows
from earmark.storage import speakers as rows
from earmark.storage import voiceprints as voiceprint_rows

__all__ = ["Erasure"]

_AT_ONCE = 100
_CHANGES_KEPT_S = 7 * 24 * 3600.0
_EXPIRY = "expiry"  # who acts when the time is over, and why

_log = logging.getLogger(__name__)


class Erasure:
    """Erases speakers with all who are merged into them: they are the same person."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def erase(
        self, tenant_id: str, speaker_id: str, actor: str, *, reason: str = "request"
    ) -> Receipt:
        """Erase a speaker. Raises `NotFound`."""
        return self._erase(tenant_id, speaker_id, actor, reason, float("inf"))

    def _erase(
        self, tenant_id: str, speaker_id: str, actor: str, reason: str, expired_at: float
    ) -> Receipt:
        speaker_ids = self._doom(tenant_id, speaker_id, expired_at)
        self._store.vault.forget(*speaker_ids)
        with self._store.database.write() as connection:
            family = rows.family(connection, speaker_ids, lock=True)
            doomed = [row for row in family if row["id"] in speaker_ids]
            if speaker_id not in {row["id"] for row in doomed}:
                raise _unknown(speaker_id)
            receipt, blobs = self._remove(connection, speaker_id, doomed, actor, reason)
        self._store.database.erased()
        self._store.blobs.delete(*blobs)
        _log.info("The speaker %s is erased (%s).", speaker_id, reason)
        return receipt

    def erase_all(
        self, tenant_id: str, speaker_ids: Collection[str], actor: str, *, reason: str
    ) -> int:
        """Erase those of these speakers that are still there; how many receipts that came to."""
        erased = 0
        for speaker_id in speaker_ids:
            with suppress(NotFound):  # erased with whom they were merged into, or by a rival
                self.erase(tenant_id, speaker_id, actor, reason=reason)
                erased += 1
        return erased

    def expire(self, tenant_id: str, speaker_id: str, now: float) -> bool:
        """Erase a speaker if they have expired at ``now``; whether they were."""
        with suppress(NotFound):
            self._erase(tenant_id, speaker_id, _EXPIRY, _EXPIRY, now)
            return True
        return False

    def sweep(self, now: float) -> int:
        """Erase who has expired at ``now``; how many receipts that came to."""
        erased = 0
        while True:
            with self._store.database.read() as connection:
                due = rows.due(connection, now, _AT_ONCE)
            erased += sum(self.expire(row["tenant_id"], row["id"], now) for row in due)
            if len(due) < _AT_ONCE:
                break
        with self._store.database.write() as connection:
            gallery_rows.forget_changes(connection, now - _CHANGES_KEPT_S)
        return erased

    def _doom(self, tenant_id: str, speaker_id: str, expired_at: float) -> list[str]:
        """Have nobody matched with a speaker from now on; the ids of all who are erased."""
        with self._store.database.write() as connection:
            family = rows.family(connection, [speaker_id], lock=True)
            theirs = [row for row in family if row["id"] == speaker_id]
            if not theirs or theirs[0]["tenant_id"] != tenant_id:
                raise _unknown(speaker_id)
            if theirs[0]["expires_at"] > expired_at:  # was matched meanwhile
                raise _unknown(speaker_id)
            speaker_ids = [row["id"] for row in family]
            rows.doom(connection, speaker_ids, time.time())
            changed = {*speaker_ids, theirs[0]["merged_into"] or speaker_id}
            gallery_rows.touch(connection, theirs[0]["gallery_id"], changed)
        return speaker_ids

    def _remove(
        self,
        connection: sa.Connection,
        speaker_id: str,
        family: Sequence[sa.RowMapping],
        actor: str,
        reason: str,
    ) -> tuple[Receipt, list[str]]:
        """Delete the rows; the receipt, and the blobs that are to go after them."""
        (speaker,) = (row for row in family if row["id"] == speaker_id)
        others = sorted(row["id"] for row in family if row["id"] != speaker_id)
        speaker_ids = (speaker_id, *others)
        samples = sample_rows.of_speakers(connection, speaker_ids)
        consents = consent_rows.of_speakers(connection, speaker_ids)
        blobs = [row["blob"] for row in samples if row["blob"] is not None]
        counts = {
            "speakers": len(speaker_ids),
            "voiceprints": len(voiceprint_rows.of_speakers(connection, speaker_ids)),
            "samples": len(samples),
            "recordings": len(blobs),
            "consents": len(consents),
        }
        voiceprint_rows.delete(connection, speaker_ids=speaker_ids)
        sample_rows.delete(connection, [row["id"] for row in samples])
        consent_rows.delete(connection, speaker_ids)
        rows.delete(connection, speaker_ids)
        receipt_id = str(uuid.uuid4())
        entry = note(
            connection,
            speaker["tenant_id"],
            actor,
            "speaker.expire" if reason == _EXPIRY else "speaker.erase",
            speaker_id,
            {"receipt": receipt_id, "speakers": list(speaker_ids), "reason": reason, **counts},
        )
        receipt = sign_receipt(
            connection,
            self._store,
            receipt_id=receipt_id,
            tenant_id=speaker["tenant_id"],
            gallery_id=speaker["gallery_id"],
            speaker_ids=speaker_ids,
            reason=reason,
            entry=entry,
            counts=counts,
            consent_hashes=[hashlib.sha256(row["text"].encode()).hexdigest() for row in consents],
        )
        return receipt, blobs


def _unknown(speaker_id: str) -> NotFound:
    return NotFound(f"There is no speaker {speaker_id!r}.")

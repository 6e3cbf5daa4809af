"""Receipts: signed proofs that somebody was erased, which name nobody."""

from __future__ import annotations

import base64
import binascii
import time

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from earmark.errors import NotFound
from earmark.service._audit import AuditEntry, canonical_json
from earmark.service._model import Caller, Page, Scope
from earmark.service._paging import page_of, read_cursor
from earmark.service._people import Receipt
from earmark.service._people_rows import receipt_of
from earmark.service._store import Store
from earmark.service._text import iso
from earmark.storage import receipts as rows

__all__ = ["Receipts", "sign_receipt"]

_SCHEMA = "earmark.erasure/1"


class Receipts:
    """The receipts of all tenants; every method sees only the caller's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = _signing_key(store.secret)

    @property
    def public_key(self) -> str:
        """The key that receipts are verified with: Ed25519 (RFC 8032), 32 bytes as base64."""
        return _public_key(self._key)

    @property
    def public_key_pem(self) -> str:
        """The same key in PEM, as other programs take it."""
        encoded = self._key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return encoded.decode()

    def get(self, caller: Caller, receipt_id: str) -> Receipt:
        """One receipt. Raises `NotFound` for an unknown one and for any not the caller's."""
        caller.require(Scope.GALLERIES)
        with self._store.database.read() as connection:
            row = rows.fetch(connection, receipt_id, tenant_id=caller.tenant_id)
        if row is None:
            raise NotFound(f"There is no receipt {receipt_id!r}.")
        return receipt_of(row)

    def list(
        self,
        caller: Caller,
        *,
        speaker_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Receipt]:
        """Receipts, newest first, or those of one speaker.

        Raises `InvalidOption` for a cursor that is none.
        """
        caller.require(Scope.GALLERIES)
        same: dict[str, object] = {"tenant_id": caller.tenant_id}
        if speaker_id is not None:
            same["speaker_id"] = speaker_id
        before = read_cursor(cursor)
        with self._store.database.read() as connection:
            found = rows.listing(connection, same=same, before=before, limit=limit + 1)
            total = rows.count(connection, same)
        return page_of([receipt_of(row) for row in found], limit, total)

    def verify(self, document: str, signature: str) -> bool:
        """Whether this installation has signed this document, as it is to the letter."""
        try:
            signed = base64.b64decode(signature, validate=True)
            self._key.public_key().verify(signed, document.encode())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def sign_receipt(
    connection: sa.Connection,
    store: Store,
    *,
    receipt_id: str,
    tenant_id: str,
    gallery_id: str,
    speaker_ids: tuple[str, ...],
    reason: str,
    entry: AuditEntry,
    counts: dict[str, int],
    consent_hashes: list[str],
) -> Receipt:
    """Write what was erased, sign it, and keep it; the first of the speakers was asked for."""
    key = _signing_key(store.secret)
    document = canonical_json(
        {
            "schema": _SCHEMA,
            "receipt": receipt_id,
            "tenant": tenant_id,
            "gallery": gallery_id,
            "speaker": speaker_ids[0],
            "speakers": list(speaker_ids),
            "reason": reason,
            "by": entry.actor,
            "erased_at": iso(entry.at),
            "counts": counts,
            "consent_sha256": consent_hashes,
            "audit": {"seq": entry.seq, "hash": entry.hash},
            "public_key": _public_key(key),
        }
    )
    receipt = Receipt(
        id=receipt_id,
        speaker_id=speaker_ids[0],
        document=document,
        signature=base64.b64encode(key.sign(document.encode())).decode(),
        created_at=time.time(),
    )
    values = {name: getattr(receipt, name) for name in Receipt.__slots__}
    rows.insert(connection, {**values, "tenant_id": tenant_id})
    return receipt


def _signing_key(secret: bytes) -> Ed25519PrivateKey:
    """The key for this installation's secret (HKDF, RFC 5869)."""
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"earmark erasure receipts").derive(secret)
    return Ed25519PrivateKey.from_private_bytes(derived)


def _public_key(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()

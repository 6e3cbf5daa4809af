"""The audit log: every enrolment, search, export and erasure, in a chain of hashes per tenant.

The hash of an entry is the SHA-256 (hex) of the hash before it, a line feed, and the entry as JSON:
``tenant``, ``seq``, ``at``, ``actor``, ``action``, ``subject`` and ``details`` (which is the JSON
text of the details), keys sorted, without spaces. Who alters or removes an entry breaks the chain
from there on; who rewrites the chain to its end contradicts the receipts signed since, and any
hash that was noted elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from earmark.errors import InvalidOption
from earmark.service._model import Caller, Page, Scope
from earmark.service._store import Store
from earmark.storage import audit as rows
from earmark.storage import receipts as receipt_rows

__all__ = ["Audit", "AuditEntry", "Verification", "actor_of", "canonical_json", "note"]

_AT_ONCE = 1000
_NOBODY = "anonymous"


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """One entry; ``seq`` counts from 1 without gaps. ``hash`` and ``previous`` are in hex."""

    seq: int
    at: float
    actor: str
    action: str
    subject: str | None
    details: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """What walking the chain came to: how many entries stand, and the hash of the last of them.

    ``broken`` is the number of the first entry that does not fit, None when all do; ``reason``
    says what is wrong with it.
    """

    entries: int
    hash: str
    broken: int | None
    reason: str | None


def actor_of(caller: Caller) -> str:
    """Who acts, as the log names them: the id of their key."""
    return caller.key_id or _NOBODY


def note(
    connection: sa.Connection,
    tenant_id: str,
    actor: str,
    action: str,
    subject: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Add an entry, which stands if the transaction does.

    To be called last in a transaction: until its end nobody else of the tenant adds one.
    ``details`` hold ids and numbers, never a name or a voiceprint.
    """
    last = rows.head(connection, tenant_id, lock=True)
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "seq": last["seq"] + 1,
        "at": time.time(),
        "actor": actor,
        "action": action,
        "subject": subject,
        "details": canonical_json(details or {}),
        "previous": last["hash"],
    }
    values["hash"] = _hash(values)
    rows.append(connection, values)
    return _entry(values)


class Audit:
    """The log of all tenants; every method but `note` sees only the caller's part."""

    note = staticmethod(note)

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(
        self,
        caller: Caller,
        *,
        subject: str | None = None,
        action: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[AuditEntry]:
        """Entries, newest first, about one subject or of one action if these are given.

        Raises `InvalidOption` for a cursor that is none.
        """
        caller.require(Scope.GALLERIES)
        given = {"subject": subject, "action": action}
        same: dict[str, object] = {k: v for k, v in given.items() if v is not None}
        same["tenant_id"] = caller.tenant_id
        before = None if cursor is None else _read_cursor(cursor)
        with self._store.database.read() as connection:
            found = rows.listing(connection, same=same, before=before, limit=limit + 1)
            total = rows.count(connection, same)
        more = len(found) > limit
        items = tuple(map(_entry, found[:limit]))
        return Page(items=items, cursor=str(items[-1].seq) if more else None, total=total)

    def verify(self, caller: Caller) -> Verification:
        """Walk the caller's chain from its beginning; compare it with what was noted of it.

        That is its end, as it is when this is called, and the entries that receipts name.
        """
        caller.require(Scope.GALLERIES)
        with self._store.database.read() as connection:
            end = rows.end(connection, caller.tenant_id)
        walked = self._walk(caller.tenant_id, end)
        if walked.broken is not None:
            return walked
        fault = self._against_receipts(caller.tenant_id)
        if fault is None:
            return walked
        seq, reason = fault
        if seq > end["seq"]:
            return _verification(end["seq"], end["hash"], reason)
        with self._store.database.read() as connection:
            before = rows.hashes(connection, caller.tenant_id, [seq - 1])
        return _verification(seq - 1, before.get(seq - 1, rows.NO_HASH), reason)

    def _walk(self, tenant_id: str, end: sa.RowMapping) -> Verification:
        seq, last = 0, rows.NO_HASH
        while True:
            with self._store.database.read() as connection:
                found = rows.between(connection, tenant_id, seq, end["seq"], _AT_ONCE)
            for row in found:
                reason = _fault(row, seq + 1, last)
                if reason is not None:
                    return _verification(seq, last, reason)
                seq, last = row["seq"], row["hash"]
            if len(found) < _AT_ONCE:
                break
        if end["seq"] != end["written"] or (end["seq"], end["hash"]) != (seq, last):
            written = max(end["seq"], end["written"])
            return _verification(seq, last, f"the log ends at entry {seq} of {written}")
        return _verification(seq, last, None)

    def _against_receipts(self, tenant_id: str) -> tuple[int, str] | None:
        """The first entry that is not as a receipt names it, and what is wrong."""
        faults: list[tuple[int, str]] = []
        before = None
        while True:
            with self._store.database.read() as connection:
                found = receipt_rows.listing(
                    connection, same={"tenant_id": tenant_id}, before=before, limit=_AT_ONCE
                )
                named = _named(row["document"] for row in found)
                # An entry stands from the moment on from which its receipt does.
                there = rows.hashes(connection, tenant_id, named)
            for seq, expected in named.items():
                if seq not in there:
                    faults.append((seq, f"the log lacks entry {seq}, which a receipt names"))
                elif there[seq] != expected:
                    faults.append((seq, f"entry {seq} is not the one that a receipt names"))
            if len(found) < _AT_ONCE:
                return min(faults, default=None)
            faults = [min(faults)] if faults else []
            before = (found[-1]["created_at"], found[-1]["id"])


def canonical_json(value: Any) -> str:
    """The one way in which a value is written before it is hashed or signed."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _hash(values: Mapping[str, Any] | sa.RowMapping) -> str:
    names = ("seq", "at", "actor", "action", "subject", "details")
    entry = {"tenant": values["tenant_id"], **{name: values[name] for name in names}}
    return hashlib.sha256(f"{values['previous']}\n{canonical_json(entry)}".encode()).hexdigest()


def _fault(row: sa.RowMapping, seq: int, previous: str) -> str | None:
    if row["seq"] != seq:
        return f"entry {seq} is missing"
    if row["previous"] != previous:
        return f"entry {seq} does not follow the one before it"
    if row["hash"] != _hash(row):
        return f"entry {seq} was altered"
    return None


def _verification(seq: int, last: str, reason: str | None) -> Verification:
    broken = None if reason is None else seq + 1
    return Verification(entries=seq, hash=last, broken=broken, reason=reason)


def _named(documents: Iterable[str]) -> dict[int, str]:
    """The entries that receipts name: number -> hash."""
    entries = [json.loads(document)["audit"] for document in documents]
    return {entry["seq"]: entry["hash"] for entry in entries}


def _entry(row: Mapping[str, Any] | sa.RowMapping) -> AuditEntry:
    return AuditEntry(
        seq=row["seq"],
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        subject=row["subject"],
        details=json.loads(row["details"]),
        previous=row["previous"],
        hash=row["hash"],
    )


def _read_cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidOption(f"{cursor!r} is no cursor: take it from the page before.")
    return int(cursor)

"""Requests that may come twice and count once."""

from __future__ import annotations

import time

import sqlalchemy as sa

from earmark.errors import IdempotencyConflict
from earmark.service._model import Idempotency
from earmark.storage import idempotency as rows

__all__ = ["done_before", "earlier"]


def earlier(
    connection: sa.Connection, tenant_id: str, promise: Idempotency | None, resource_id: str
) -> str | None:
    """The id of what an earlier request with this key has made, or None: make ``resource_id`` now.

    To be called in the transaction that makes it, so that both are kept or neither; a rival with
    the same key is waited for. Raises `IdempotencyConflict` when the earlier request was another
    one.
    """
    if promise is None:
        return None
    row = rows.promise(
        connection,
        tenant_id=tenant_id,
        key=promise.key,
        fingerprint=promise.fingerprint,
        resource_id=resource_id,
        now=time.time(),
    )
    return _replayed(promise, row)


def done_before(
    connection: sa.Connection, tenant_id: str, promise: Idempotency | None
) -> str | None:
    """As `earlier`, without noting anything: for what takes longer than a transaction may."""
    if promise is None:
        return None
    return _replayed(promise, rows.fetch(connection, tenant_id=tenant_id, key=promise.key))


def _replayed(promise: Idempotency, row: sa.RowMapping | None) -> str | None:
    if row is None:
        return None
    if row["fingerprint"] != promise.fingerprint:
        raise IdempotencyConflict(
            f"The idempotency key {promise.key!r} came with another request before: "
            "use a new key for a new request."
        )
    promise.on_replay()
    return str(row["resource_id"])

"""Requests that may come twice and count once."""

from __future__ import annotations

import sqlalchemy as sa

from earmark.errors import IdempotencyConflict
from earmark.service._model import Caller, Idempotency
from earmark.storage import idempotency as rows

__all__ = ["earlier"]


def earlier(
    connection: sa.Connection,
    caller: Caller,
    promise: Idempotency | None,
    resource_id: str,
    now: float,
) -> str | None:
    """The id of what an earlier request with this key has made, or None: make ``resource_id`` now.

    To be called first in the transaction that makes it. Raises `IdempotencyConflict` when the
    earlier request was another one.
    """
    if promise is None:
        return None
    row = rows.promise(
        connection,
        tenant_id=caller.tenant_id,
        key=promise.key,
        fingerprint=promise.fingerprint,
        resource_id=resource_id,
        now=now,
    )
    if row is None:
        return None
    if row["fingerprint"] != promise.fingerprint:
        raise IdempotencyConflict(
            f"The idempotency key {promise.key!r} came with another request before: "
            "use a new key for a new request."
        )
    return str(row["resource_id"])

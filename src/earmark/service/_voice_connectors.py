"""Voice connectors: what calls come through, as a dialect has its tenants name them."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from earmark.errors import Conflict, NotFound
from earmark.service._idempotency import earlier
from earmark.service._model import Caller, Idempotency, Page, Scope
from earmark.service._paging import page_of, read_cursor
from earmark.service._store import Store
from earmark.storage import voice_connectors as rows

__all__ = ["VoiceConnector", "VoiceConnectors"]

_ID_CHARACTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceConnector:
    """Where calls come from. ``details`` is what the dialect needs to show it again.

    ``streaming`` is its streaming configuration, if it was given one.
    """

    id: str
    tenant_id: str
    dialect: str
    name: str
    details: Mapping[str, Any]
    streaming: Mapping[str, Any] | None
    created_at: float
    updated_at: float


class VoiceConnectors:
    """The connectors of all tenants; every method sees only the caller's.

    All raise `Forbidden` without the scope for jobs, and `NotFound` for an unknown id.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self,
        caller: Caller,
        *,
        dialect: str,
        name: str,
        details: Mapping[str, Any],
        idempotency: Idempotency | None = None,
    ) -> VoiceConnector:
        """Make a connector. Raises `IdempotencyConflict`."""
        caller.require(Scope.JOBS)
        now = time.time()
        connector_id = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(22))
        with self._store.database.write() as connection:
            known = earlier(connection, caller.tenant_id, idempotency, connector_id)
            if known is None:
                rows.insert(
                    connection,
                    {
                        "id": connector_id,
                        "tenant_id": caller.tenant_id,
                        "dialect": dialect,
                        "name": name,
                        "details": dict(details),
                        "streaming": None,
                        "created_at": now,
                        "updated_at": now,
                    },
                )
            return _found(connection, caller, known or connector_id)

    def get(
        self, caller: Caller, connector_id: str, *, dialect: str | None = None
    ) -> VoiceConnector:
        """One connector."""
        caller.require(Scope.JOBS)
        with self._store.database.read() as connection:
            return _found(connection, caller, connector_id, dialect)

    def list(
        self, caller: Caller, *, dialect: str, limit: int = 50, cursor: str | None = None
    ) -> Page[VoiceConnector]:
        """Connectors, newest first. Raises `InvalidOption` for a cursor that is none."""
        caller.require(Scope.JOBS)
        same = {"tenant_id": caller.tenant_id, "dialect": dialect}
        with self._store.database.read() as connection:
            found = rows.listing(connection, same, before=read_cursor(cursor), limit=limit + 1)
            total = rows.count(connection, same)
        return page_of([VoiceConnector(**row) for row in found], limit, total)

    def update(
        self,
        caller: Caller,
        connector_id: str,
        *,
        dialect: str,
        name: str,
        details: Mapping[str, Any],
    ) -> VoiceConnector:
        """Change the name, and what is named in ``details``."""
        caller.require(Scope.JOBS)
        with self._store.database.write() as connection:
            before = _found(connection, caller, connector_id, dialect)
            changed = {"name": name, "details": {**before.details, **details}}
            rows.update(connection, connector_id, {**changed, "updated_at": time.time()})
            return _found(connection, caller, connector_id)

    def set_streaming(
        self,
        caller: Caller,
        connector_id: str,
        streaming: Mapping[str, Any] | None,
        *,
        dialect: str,
    ) -> VoiceConnector:
        """Give it a streaming configuration, or take it away (None)."""
        caller.require(Scope.JOBS)
        with self._store.database.write() as connection:
            _found(connection, caller, connector_id, dialect)
            # A null that JSON columns would write is not the one that means none.
            value = sa.null() if streaming is None else dict(streaming)
            rows.update(connection, connector_id, {"streaming": value, "updated_at": time.time()})
            return _found(connection, caller, connector_id)

    def delete(self, caller: Caller, connector_id: str, *, dialect: str) -> None:
        """Forget a connector; its calls stay. Raises `Conflict` while one is going on."""
        caller.require(Scope.JOBS)
        with self._store.database.write() as connection:
            _found(connection, caller, connector_id, dialect)
            if rows.in_use(connection, caller.tenant_id, connector_id):
                raise Conflict(
                    f"A call of the voice connector {connector_id!r} is going on: end it first."
                )
            rows.delete(connection, connector_id)


def _found(
    connection: sa.Connection, caller: Caller, connector_id: str, dialect: str | None = None
) -> VoiceConnector:
    same = {"tenant_id": caller.tenant_id}
    if dialect is not None:
        same["dialect"] = dialect
    row = rows.fetch(connection, connector_id, **same)
    if row is None:
        raise NotFound(f"There is no voice connector {connector_id!r}.")
    return VoiceConnector(**row)

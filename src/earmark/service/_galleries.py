"""Galleries: sets of speakers who are searched together."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from earmark.errors import Conflict, NotFound
from earmark.service._audit import actor_of, note
from earmark.service._erasure import Erasure
from earmark.service._idempotency import earlier
from earmark.service._model import Caller, Idempotency, Page, Scope
from earmark.service._paging import page_of, read_cursor
from earmark.service._people import Gallery
from earmark.service._people_rows import gallery_of
from earmark.service._store import Store
from earmark.service._text import checked_details, checked_name, checked_text
from earmark.storage import galleries as rows
from earmark.storage import speakers as speaker_rows

__all__ = ["Galleries"]

_NATIVE = "native"
_LONGEST_DESCRIPTION = 1024
_AT_ONCE = 50  # speakers erased in one go


class Galleries:
    """The galleries of all tenants; every method sees only the caller's.

    Raises `Forbidden` without the scope, and `NotFound` for an unknown id and for any that is not
    the caller's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._erasure = Erasure(store)

    def create(
        self,
        caller: Caller,
        *,
        name: str,
        dialect: str = _NATIVE,
        key: str | None = None,
        description: str = "",
        details: Mapping[str, Any] | None = None,
        gallery_id: str | None = None,
        idempotency: Idempotency | None = None,
    ) -> Gallery:
        """Make a gallery. Under ``key`` the dialect finds it again; a native one's is its name.

        Raises `Conflict` when the key is taken, `InvalidOption` for names and details that cannot
        be kept, and `IdempotencyConflict`.
        """
        caller.require(Scope.GALLERIES)
        values = _values(caller, name=name, dialect=dialect, key=key, gallery_id=gallery_id)
        values["description"] = _checked_description(description)
        values["details"] = checked_details(details)
        with self._store.database.write() as connection:
            known = earlier(connection, caller.tenant_id, idempotency, values["id"])
            if known is not None:
                return _found(connection, caller, known)
            if not rows.insert(connection, values):
                raise _taken(name)
            note(connection, caller.tenant_id, actor_of(caller), "gallery.create", values["id"])
            return _found(connection, caller, values["id"])

    def ensure(self, caller: Caller, *, dialect: str, key: str, name: str) -> Gallery:
        """The gallery with this key in the dialect, made when there is none."""
        caller.require(Scope.GALLERIES)
        place = {"tenant_id": caller.tenant_id, "dialect": dialect, "key": key}
        with self._store.database.read() as connection:
            row = rows.by_key(connection, **place)
        if row is not None:
            return gallery_of(row)
        values = _values(caller, name=name, dialect=dialect, key=key, gallery_id=None)
        with self._store.database.write() as connection:
            if rows.insert(connection, values):
                note(connection, caller.tenant_id, actor_of(caller), "gallery.create", values["id"])
            row = rows.by_key(connection, **place)
        if row is None:  # deleted in between
            raise _unknown(key)
        return gallery_of(row)

    def get(self, caller: Caller, gallery_id: str, *, dialect: str | None = None) -> Gallery:
        """One gallery, of this dialect if one is given."""
        caller.require(Scope.GALLERIES)
        with self._store.database.read() as connection:
            return _found(connection, caller, gallery_id, dialect=dialect)

    def by_key(self, caller: Caller, dialect: str, key: str) -> Gallery:
        """The gallery with this key in the dialect."""
        caller.require(Scope.GALLERIES)
        with self._store.database.read() as connection:
            row = rows.by_key(connection, tenant_id=caller.tenant_id, dialect=dialect, key=key)
        if row is None:
            raise _unknown(key)
        return gallery_of(row)

    def list(
        self,
        caller: Caller,
        *,
        dialect: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Gallery]:
        """Galleries, newest first. Raises `InvalidOption` for a cursor that is none."""
        caller.require(Scope.GALLERIES)
        same: dict[str, object] = {"tenant_id": caller.tenant_id}
        if dialect is not None:
            same["dialect"] = dialect
        before = read_cursor(cursor)
        with self._store.database.read() as connection:
            found = rows.listing(connection, same=same, before=before, limit=limit + 1)
            total = rows.count(connection, same)
        return page_of([gallery_of(row) for row in found], limit, total)

    def update(
        self,
        caller: Caller,
        gallery_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Gallery:
        """Change what is given. Raises `Conflict` when a native one's new name is taken."""
        caller.require(Scope.GALLERIES)
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = checked_name(name, "A gallery's name")
        if description is not None:
            changes["description"] = _checked_description(description)
        if details is not None:
            changes["details"] = checked_details(details)
        with self._store.database.write() as connection:
            gallery = _found(connection, caller, gallery_id, lock=True)
            if name is not None and gallery.dialect == _NATIVE:
                changes["key"] = name
            if changes:
                self._change(connection, gallery, changes)
                details = {"changed": sorted(changes.keys() - {"key"})}
                actor = actor_of(caller)
                note(connection, caller.tenant_id, actor, "gallery.update", gallery_id, details)
            return _found(connection, caller, gallery_id)

    def delete(self, caller: Caller, gallery_id: str) -> None:
        """Erase every speaker of a gallery, each with a receipt, then the gallery itself."""
        caller.require(Scope.GALLERIES)
        while True:
            with self._store.database.write() as connection:
                _found(connection, caller, gallery_id, lock=True)
                left = speaker_rows.of_gallery(connection, gallery_id, _AT_ONCE)
                if not left:
                    rows.delete(connection, gallery_id)
                    actor = actor_of(caller)
                    note(connection, caller.tenant_id, actor, "gallery.delete", gallery_id)
                    return
            self._erasure.erase_all(caller.tenant_id, left, actor_of(caller), reason="gallery")

    def _change(
        self, connection: sa.Connection, gallery: Gallery, changes: Mapping[str, Any]
    ) -> None:
        values = {**changes, "updated_at": time.time()}
        try:
            with connection.begin_nested():
                rows.update(connection, gallery.id, values)
        except sa.exc.IntegrityError as error:
            raise _taken(changes["name"]) from error


def _values(
    caller: Caller, *, name: str, dialect: str, key: str | None, gallery_id: str | None
) -> dict[str, Any]:
    """The row of a new gallery."""
    now = time.time()
    if key is not None:
        checked_name(key, "A gallery's key")
    return {
        "id": gallery_id or str(uuid.uuid4()),
        "tenant_id": caller.tenant_id,
        "dialect": dialect,
        "key": name if key is None and dialect == _NATIVE else key,
        "name": checked_name(name, "A gallery's name"),
        "details": {},
        "created_at": now,
        "updated_at": now,
    }


def _checked_description(description: str) -> str:
    return checked_text(
        description, "A gallery's description", longest=_LONGEST_DESCRIPTION, shortest=0
    )


def _found(
    connection: sa.Connection,
    caller: Caller,
    gallery_id: str,
    *,
    dialect: str | None = None,
    lock: bool = False,
) -> Gallery:
    row = rows.fetch(connection, gallery_id, lock=lock, tenant_id=caller.tenant_id)
    if row is None or dialect not in (None, row["dialect"]):
        raise _unknown(gallery_id)
    return gallery_of(row)


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no gallery {name!r}.")


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a gallery {name!r} already: take another name, or use that one.")

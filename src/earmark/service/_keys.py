"""API keys: made, listed, revoked, and who is behind one."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import sqlalchemy as sa

from earmark.errors import InvalidOption, NotFound, Unauthenticated
from earmark.service._idempotency import earlier
from earmark.service._model import Caller, Idempotency, Scope
from earmark.service._secret import keyed_hash
from earmark.service._store import Store
from earmark.service._tenants import Tenant, Tenants, ensure_tenant
from earmark.service._token import check_token, generate_id, generate_token
from earmark.storage import keys as rows

__all__ = ["Key", "Keys", "NewKey"]

_FIRST_TENANT = "default"
_NAME_CHARACTERS = 200
_ANONYMOUS_SCOPES = frozenset({Scope.JOBS, Scope.GALLERIES, Scope.LIVE})


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """What is known of a key; ``tenant`` is the tenant's name."""

    id: str
    tenant_id: str
    tenant: str
    name: str
    scopes: frozenset[Scope]
    created_at: float
    revoked_at: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewKey(Key):
    """A key just made, with the ``token`` that is shown this once and kept nowhere."""

    token: str


class Keys:
    """The keys. Of each the database holds a keyed hash, by which it is found."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def authenticate(self, token: str | None) -> Caller:
        """Who sends this token: one read by index, so that a revoked key is void at once.

        Raises `Unauthenticated`; for a mistyped token without asking the database.
        """
        if not token:
            raise Unauthenticated(
                "A key is needed: send it as Authorization: Bearer em_… with the request."
            )
        check_token(token)
        with self._store.database.read() as connection:
            row = rows.by_digest(connection, self._digest(token))
        if row is None or row["revoked_at"] is not None:
            raise Unauthenticated(
                "This key is not known here or is revoked: make one with `earmark keys create`."
            )
        return Caller(tenant_id=row["tenant_id"], key_id=row["id"], scopes=_scopes(row["scopes"]))

    def caller(self, key_id: str) -> Caller:
        """Who acts by what this key has signed. Raises `Unauthenticated` once it is revoked."""
        with self._store.database.read() as connection:
            row = rows.fetch(connection, key_id)
        if row is None or row["revoked_at"] is not None:
            raise Unauthenticated("The key that this was made with is revoked: use another.")
        return Caller(tenant_id=row["tenant_id"], key_id=row["id"], scopes=_scopes(row["scopes"]))

    def signing(self, key_id: str) -> tuple[Caller, str]:
        """Who signs requests with this key, and the secret that goes with its id.

        The secret is kept nowhere: it is a keyed hash of the id, and made again when needed. Raises
        `Unauthenticated` for a key that is unknown or revoked.
        """
        with self._store.database.read() as connection:
            row = rows.fetch(connection, key_id)
        if row is None or row["revoked_at"] is not None:
            raise Unauthenticated(
                f"The key {key_id[:64]!r} is not known here or is revoked: `earmark keys list`"
                " shows those there are."
            )
        caller = Caller(tenant_id=row["tenant_id"], key_id=row["id"], scopes=_scopes(row["scopes"]))
        made = keyed_hash(self._store.secret, "signing", key_id.encode())
        return caller, base64.urlsafe_b64encode(made).decode().rstrip("=")

    def anonymous(self) -> Caller | None:
        """Who asks without a key where the settings allow it; None where they do not."""
        if self._store.settings.anonymous_tenant is None:
            return None
        return self._anonymous

    @cached_property
    def _anonymous(self) -> Caller:
        tenant = Tenants(self._store).ensure(self._store.settings.anonymous_tenant or "")
        return Caller(tenant_id=tenant.id, key_id=None, scopes=_ANONYMOUS_SCOPES)

    @overload
    def create(self, tenant: str, scopes: Iterable[Scope], name: str) -> NewKey: ...

    @overload
    def create(
        self,
        tenant: str,
        scopes: Iterable[Scope],
        name: str,
        *,
        idempotency: Idempotency | None,
    ) -> Key: ...

    def create(
        self,
        tenant: str,
        scopes: Iterable[Scope],
        name: str,
        *,
        idempotency: Idempotency | None = None,
    ) -> Key:
        """Make a key for the tenant of this name, and the tenant when there is none.

        It is a `NewKey`, but what an earlier request has made is a `Key`: its token is not known
        any more.
        Raises `InvalidOption`: no scope, or a name of no or more than 200 characters; and
        `IdempotencyConflict`.
        """
        with self._store.database.write() as connection:
            owner = ensure_tenant(connection, tenant)
            made = _new_key(owner, frozenset(scopes), name, generate_token())
            known = earlier(connection, owner.id, idempotency, made.id)
            if known is not None:
                return _found(connection, known)
            self._insert(connection, made)
        return made

    def list(self, tenant: str | None = None) -> tuple[Key, ...]:
        """All keys, newest first, or those of the tenant of this name."""
        with self._store.database.read() as connection:
            return tuple(map(_key, rows.listing(connection, tenant=tenant)))

    def revoke(self, key_id: str) -> Key:
        """Make a key void for good; again is no error. Raises `NotFound`."""
        with self._store.database.write() as connection:
            rows.revoke(connection, key_id, now=time.time())
            return _found(connection, key_id)

    def bootstrap(self) -> str | None:
        """The first key, of tenant ``default`` with all scopes, when there is none yet.

        ``EARMARK_BOOTSTRAP_KEY`` is taken for it, then or later, unless it was here before, also
        as one revoked since. Otherwise one is made, and returned to be shown once.
        Raises `InvalidOption` when the setting holds no valid key.
        """
        given = self._store.settings.bootstrap_key
        token = generate_token() if given is None else given.get_secret_value()
        try:
            check_token(token)
        except Unauthenticated as error:
            raise InvalidOption(
                "EARMARK_BOOTSTRAP_KEY holds no valid key: `earmark keys generate` prints one."
            ) from error
        with self._store.database.write() as connection:
            # The lock on the tenant's row lets one process at a time through here.
            owner = ensure_tenant(connection, _FIRST_TENANT)
            if given is None:
                there = rows.any_key(connection)
            else:
                there = rows.by_digest(connection, self._digest(token)) is not None
            if there:
                return None
            self._insert(connection, _new_key(owner, frozenset({Scope.ADMIN}), "first", token))
        return token if given is None else None

    def _insert(self, connection: sa.Connection, key: NewKey) -> None:
        rows.insert(
            connection,
            key_id=key.id,
            tenant_id=key.tenant_id,
            name=key.name,
            scopes=" ".join(sorted(key.scopes)),
            digest=self._digest(key.token),
            now=key.created_at,
        )

    def _digest(self, token: str) -> str:
        return keyed_hash(self._store.secret, "key", token.encode()).hex()


def _new_key(tenant: Tenant, scopes: frozenset[Scope], name: str, token: str) -> NewKey:
    if not scopes:
        known = ", ".join(Scope)
        raise InvalidOption(f"A key without a scope opens nothing: name some of {known}.")
    if not 1 <= len(name) <= _NAME_CHARACTERS:
        raise InvalidOption(
            f"A key's name has 1 to {_NAME_CHARACTERS} characters, not {len(name)}."
        )
    return NewKey(
        id=generate_id(),
        tenant_id=tenant.id,
        tenant=tenant.name,
        name=name,
        scopes=scopes,
        created_at=time.time(),
        revoked_at=None,
        token=token,
    )


def _scopes(written: str) -> frozenset[Scope]:
    return frozenset(map(Scope, written.split()))


def _key(row: sa.RowMapping) -> Key:
    return Key(
        id=row["id"],
        tenant_id=row["tenant_id"],
        tenant=row["tenant"],
        name=row["name"],
        scopes=_scopes(row["scopes"]),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )


def _found(connection: sa.Connection, key_id: str) -> Key:
    row = rows.fetch(connection, key_id)
    if row is None:
        raise NotFound(f"There is no key {key_id!r}: `earmark keys list` shows those there are.")
    return _key(row)

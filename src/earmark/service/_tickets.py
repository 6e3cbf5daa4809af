"""Tickets: what a page opens one connection with, because it cannot send a key's header there."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from earmark.errors import Forbidden, Unauthenticated
from earmark.service._idempotency import earlier
from earmark.service._keys import Keys
from earmark.service._links import Links
from earmark.service._model import Caller, Idempotency
from earmark.service._store import Store

__all__ = ["Ticket", "Tickets"]

_VALID_S = 60.0
_PURPOSE = "ticket"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """A ticket; ``expires_at`` is seconds since 1970 (UTC)."""

    token: str = field(repr=False)
    expires_at: float


class Tickets:
    """Made for a key, and good for its tenant and scopes: once, within a minute, in any process."""

    def __init__(self, store: Store, keys: Keys, links: Links) -> None:
        self._store = store
        self._keys = keys
        self._links = links

    def make(self, caller: Caller) -> Ticket:
        """A ticket of the caller's key. Raises `Forbidden` when there is none."""
        if caller.key_id is None:
            raise Forbidden("A ticket stands for a key: ask for it with one.")
        claims = {"for": _PURPOSE, "key": caller.key_id, "nonce": secrets.token_urlsafe(16)}
        expires_at = time.time() + _VALID_S
        return Ticket(token=self._links.sign(claims, ttl_s=_VALID_S), expires_at=expires_at)

    def redeem(self, token: str) -> Caller:
        """Who the ticket stands for; it is used up.

        Raises `Unauthenticated` for what is no ticket, is over or was used; and when its key is
        revoked.
        """
        try:
            claims = self._links.read(token)
        except Forbidden as error:
            raise _refused() from error
        if claims.get("for") != _PURPOSE:
            raise _refused()
        caller = self._keys.caller(claims["key"])
        use = Idempotency(key=f"{_PURPOSE} {claims['nonce']}", fingerprint=_PURPOSE)
        with self._store.database.write() as connection:
            if earlier(connection, caller.tenant_id, use, _PURPOSE) is not None:
                raise _refused()
        return caller


def _refused() -> Unauthenticated:
    return Unauthenticated(
        "This is no ticket, or it is over or was used before: ask for another with"
        " POST /api/v1/tickets."
    )

"""Signed, expiring strings: what a link may be used for, written into the link."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping

from earmark.errors import Forbidden
from earmark.service._secret import keyed_hash

__all__ = ["Links"]

_SIGNATURE_BYTES = 32


class Links:
    """Signs and reads claims. They can be read by who holds the link, and not be changed."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, claims: Mapping[str, str], *, ttl_s: float) -> str:
        """A URL-safe string that `read` turns into these claims for ``ttl_s`` seconds."""
        body = json.dumps([time.time() + ttl_s, dict(claims)], separators=(",", ":")).encode()
        signed = keyed_hash(self._secret, "link", body) + body
        return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()

    def read(self, token: str) -> Mapping[str, str]:
        """The claims; raises `Forbidden` for what was not signed here or is over."""
        try:
            signed = base64.b64decode(token + "=" * (-len(token) % 4), altchars="-_", validate=True)
        except (binascii.Error, ValueError):
            signed = b""
        signature, body = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, keyed_hash(self._secret, "link", body)):
            raise Forbidden("This link is not one of this server, or was changed: ask for another.")
        expires_at, claims = json.loads(body)
        if time.time() >= expires_at:
            raise Forbidden("This link is over: ask for another.")
        return dict(claims)

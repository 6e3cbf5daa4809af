"""Who connects: a Twilio account, and for which tenant.

Twilio sends no header of ours. What it is told to say comes in the custom parameters of the first
messages, and its handshake is signed with the account's auth token ("Security" in its
documentation): base64 of the HMAC-SHA1 of the address that was connected to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from urllib.parse import urlsplit

from starlette.websockets import WebSocket

from earmark.dialects.twilio._messages import Parameters
from earmark.errors import Forbidden, Unauthenticated
from earmark.service import Caller, Scope, Service
from earmark.settings import Settings

__all__ = ["check_signature", "who"]


def check_signature(websocket: WebSocket, settings: Settings) -> None:
    """Raise `Forbidden` unless the handshake is signed with the auth token, if one is set."""
    if settings.twilio_auth_token is None:
        return
    token = settings.twilio_auth_token.get_secret_value().encode()
    sent = websocket.headers.get("x-twilio-signature", "").encode("latin-1")
    for address in _addresses(websocket, settings):
        digest = hmac.digest(token, address.encode(), hashlib.sha1)
        if hmac.compare_digest(base64.b64encode(digest), sent):
            return
    raise Forbidden(
        "This connection is not signed with the auth token that is set (EARMARK_TWILIO_AUTH_TOKEN):"
        " it is not from that account, or a proxy changes the address (EARMARK_PUBLIC_URL)."
    )


def who(service: Service, parameters: Parameters) -> Caller:
    """Whose call it is, by a ticket or a key in the parameters. Raises `Unauthenticated`."""
    if parameters.ticket is not None:
        caller = service.tickets.redeem(parameters.ticket)
    elif parameters.key is not None:
        caller = service.keys.authenticate(parameters.key)
    else:
        raise Unauthenticated(
            "Give the stream a custom parameter named ticket (or key), which says whose call it is."
        )
    caller.require(Scope.JOBS)
    return caller


def _addresses(websocket: WebSocket, settings: Settings) -> Iterator[str]:
    """What Twilio may have been told to connect to, reverse proxies considered."""
    path: str = websocket.scope["path"].removeprefix(settings.root_path).rstrip("/")
    hosts = [websocket.headers.get("host", "") + settings.root_path]
    if settings.public_url is not None:
        public = urlsplit(settings.public_url)
        hosts.append(public.netloc + public.path.rstrip("/"))
    for host in hosts:
        for scheme in ("wss", "ws"):
            yield f"{scheme}://{host}{path}"
            yield f"{scheme}://{host}{path}/"

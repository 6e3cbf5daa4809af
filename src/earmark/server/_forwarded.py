"""Who asked, by what scheme and host, when a reverse proxy stands in between."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from earmark.errors import InvalidOption

__all__ = ["Forwarded"]

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")


class Forwarded:
    """ASGI middleware that believes ``X-Forwarded-For``, ``-Proto`` and ``-Host`` of proxies.

    ``proxies`` are addresses or networks (CIDR), or ``*`` for whoever connects. From others the
    headers are as if they were not there. Raises `InvalidOption` for what is no address.
    """

    def __init__(self, app: ASGIApp, proxies: Iterable[str]) -> None:
        self._app = app
        self._proxies = [network for each in proxies for network in _networks(each)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if scope["type"] != "lifespan" and client and self._trusts(client[0]):
            self._believe(scope)
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        scheme = headers.get("x-forwarded-proto", "").strip().lower()
        if scheme in ("http", "https"):
            websocket = scope["type"] == "websocket"
            scope["scheme"] = scheme.replace("http", "ws") if websocket else scheme
        # The first is what the client asked for; proxies add theirs at the end.
        host = headers.get("x-forwarded-host", "").split(",")[0].strip()
        if _HOST.fullmatch(host):
            MutableHeaders(scope=scope)["host"] = host
        hops = ",".join(headers.getlist("x-forwarded-for")).split(",")
        for hop in reversed([each.strip() for each in hops]):
            if not _is_address(hop):
                break
            scope["client"] = (hop, 0)
            if not self._trusts(hop):
                break

    def _trusts(self, host: str) -> bool:
        if not _is_address(host):
            return False
        address = ip_address(host)
        return any(address in network for network in self._proxies)


def _networks(written: str) -> list[IPv4Network | IPv6Network]:
    if written == "*":
        return [ip_network("0.0.0.0/0"), ip_network("::/0")]
    try:
        return [ip_network(written, strict=False)]
    except ValueError as error:
        raise InvalidOption(
            f"EARMARK_TRUSTED_PROXIES names {written!r}, which is no address: give addresses or "
            "networks such as 10.0.0.0/8, separated by commas."
        ) from error


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

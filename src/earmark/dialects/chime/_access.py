"""Who asks, whether they may, and how often: settled before a body is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from earmark.dialects._http import JsonRoute, limit_rate
from earmark.dialects.chime._names import NAME
from earmark.dialects.chime._signature import Signature, SignedRequest
from earmark.errors import Unauthenticated
from earmark.service import Caller, Service

__all__ = ["Asking", "Region", "SignedRoute"]


class _Admitting(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def admitting(request: Request) -> Response:
            body = await request.body()
            await run_in_threadpool(_admit, request, body)
            return await handle(request)

        return admitting


class SignedRoute(JsonRoute, _Admitting):
    """A route that reads the body, which is signed, within bounds; then finds out who asks."""


def _admit(request: Request, body: bytes) -> None:
    service: Service = request.app.state.service
    signed = _as_it_came(request, body)
    signature = Signature.of(signed, now=time.time())
    caller, secret = service.keys.signing(signature.key_id)
    if not any(
        signature.fits(signed, secret, host=host, prefix=prefix)
        for host, prefix in _addresses(request, service)
    ):
        raise Unauthenticated(
            "The signature does not fit this request: check the secret (`earmark keys secret"
            f" {signature.key_id}`), and that no proxy changes the path, the query or the host."
        )
    request.state.caller = caller  # for the log too
    request.state.region = signature.region
    limit_rate(
        request,
        service.limits,
        who=caller.key_id or caller.tenant_id,
        route=f"{NAME} {request.method} {request.scope['route'].path}",
        limit=service.settings.rate_limit,
    )


def _as_it_came(request: Request, body: bytes) -> SignedRequest:
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    root_path = request.app.state.service.settings.root_path
    return SignedRequest(
        method=request.method,
        path=raw.decode("latin-1").partition("?")[0].removeprefix(root_path),
        query=request.scope["query_string"].decode("latin-1"),
        headers=tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in request.scope["headers"]
        ),
        body=body,
    )


def _addresses(request: Request, service: Service) -> Iterator[tuple[str, str]]:
    """The hosts and path prefixes that a client may have signed for, reverse proxies considered."""
    host = request.headers.get("host", "")
    yield host, ""
    if service.settings.root_path:
        yield host, service.settings.root_path
    if service.settings.public_url is not None:
        public = urlsplit(service.settings.public_url)
        yield public.netloc, public.path.rstrip("/")


def _caller(request: Request) -> Caller:
    found: Caller = request.state.caller
    return found


def _region(request: Request) -> str:
    found: str = request.state.region
    return found


Asking = Annotated[Caller, Depends(_caller)]
Region = Annotated[str, Depends(_region)]
"""The region that the client has signed for; whatever it is, this server is there."""

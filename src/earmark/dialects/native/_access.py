"""Who asks, whether they may, and how often."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Path, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from earmark.dialects._http import JsonRoute, key_of, limit_rate
from earmark.errors import NotFound
from earmark.service import Caller, Scope, Service

__all__ = [
    "AdminCaller",
    "AdmittingRoute",
    "AnyCaller",
    "GalleriesCaller",
    "Id",
    "JobsCaller",
    "LiveCaller",
    "TheService",
    "admit_socket",
]

_bearer = HTTPBearer(
    scheme_name="key",
    description="An API key, `Authorization: Bearer em_…`; `X-API-Key` is taken too.",
    auto_error=False,
)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(_service)]


class AdmittingRoute(JsonRoute):
    """A route that finds out who asks, and counts it, before anything of the body is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def admitting(request: Request) -> Response:
            await run_in_threadpool(_admit, request)
            return await handle(request)

        return admitting


def admit_socket(service: Service, websocket: WebSocket, scope: Scope, *, route: str) -> Caller:
    """Who connects: by a key in a header, or by a ticket in the query.

    Raises `Unauthenticated`, `RateLimited` and, without the scope, `Forbidden`.
    """
    key, ticket = key_of(websocket), websocket.query_params.get("ticket")
    if key is None and ticket is not None:
        caller = service.tickets.redeem(ticket)
    else:
        caller = service.keys.authenticate(key)
    _count(service, websocket, caller, f"WEBSOCKET {route}")
    caller.require(scope)
    return caller


def _admit(request: Request) -> None:
    service = _service(request)
    caller = service.keys.authenticate(key_of(request))
    _count(service, request, caller, f"{request.method} {request.scope['route'].path}")


def _count(service: Service, connection: HTTPConnection, caller: Caller, route: str) -> None:
    connection.state.caller = caller  # for the log too
    limit_rate(
        connection,
        service.limits,
        who=caller.key_id or caller.tenant_id,
        route=route,
        limit=service.settings.rate_limit,
    )


def _allowed(scope: Scope | None) -> Callable[..., Coroutine[Any, Any, Caller]]:
    async def caller(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Caller:
        found: Caller = request.state.caller
        if scope is not None:
            found.require(scope)
        return found

    return caller


AnyCaller = Annotated[Caller, Depends(_allowed(None))]
JobsCaller = Annotated[Caller, Depends(_allowed(Scope.JOBS))]
GalleriesCaller = Annotated[Caller, Depends(_allowed(Scope.GALLERIES))]
LiveCaller = Annotated[Caller, Depends(_allowed(Scope.LIVE))]
AdminCaller = Annotated[Caller, Depends(_allowed(Scope.ADMIN))]


def _shape(value: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", value):
        raise NotFound(f"There is nothing with the id {value!r}.")
    return value


Id = Annotated[
    str,
    AfterValidator(_shape),
    Path(json_schema_extra={"pattern": "^[A-Za-z0-9_-]{1,64}$"}),
]
"""An id in a path; what cannot be one is as unknown as one that is not there."""

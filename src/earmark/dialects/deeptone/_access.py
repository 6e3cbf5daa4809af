"""Who asks, whether they may, and how often."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from earmark.dialects._http import key_of, limit_rate
from earmark.dialects.deeptone._names import NAME
from earmark.service import Caller, Scope, Service

__all__ = ["admit", "caller_of"]


def admit(service: Service, connection: HTTPConnection, scope: Scope) -> None:
    """Note who asks in ``connection.state.caller``.

    The key is in ``X-API-KEY``, or in the query as ``api_key``, as browsers send it. Raises
    `Unauthenticated`, `Forbidden`, `RateLimited`.
    """
    key = connection.query_params.get("api_key") or key_of(connection)
    caller = service.keys.authenticate(key)
    connection.state.caller = caller
    caller.require(scope)
    method = connection.scope.get("method", "WEBSOCKET")
    limit_rate(
        connection,
        service.limits,
        who=caller.key_id or caller.tenant_id,
        route=f"{NAME} {method} {connection.scope['route'].path}",
        limit=service.settings.rate_limit,
    )


def caller_of(connection: HTTPConnection) -> Caller:
    """Whom `admit` has let in."""
    caller: Caller = connection.state.caller
    return caller

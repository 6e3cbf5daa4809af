"""Who asks, whether they may, and how often."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from earmark.dialects._http import key_of, limit_rate
from earmark.dialects.deepaffects._names import NAME
from earmark.service import Caller, Service

__all__ = ["Admission", "Asking"]


class Admission:
    """Lets a request in, and notes its caller in ``request.state.caller``.

    The key is in the query, as ``apikey`` or ``api_key``, or in a header as elsewhere. Requests
    are counted per key and path.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def __call__(self, request: Request) -> None:
        """Raise `Unauthenticated` or `RateLimited`."""
        query = request.query_params
        key = query.get("apikey") or query.get("api_key") or key_of(request)
        caller = self._service.keys.authenticate(key)
        request.state.caller = caller
        limit_rate(
            request,
            self._service.limits,
            who=caller.key_id or caller.tenant_id,
            route=f"{NAME} {request.method} {request.scope['route'].path}",
            limit=self._service.settings.rate_limit,
        )


def _caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


Asking = Annotated[Caller, Depends(_caller_of)]
"""Whom `Admission` has let in."""

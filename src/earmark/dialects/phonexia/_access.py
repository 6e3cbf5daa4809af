"""Who asks, whether they may, and how often."""

from __future__ import annotations

import limits
from fastapi import HTTPException
from starlette.requests import Request

from earmark.dialects._http import key_of, limit_rate
from earmark.dialects.phonexia._names import PREFIX
from earmark.errors import RateLimited, Unauthenticated
from earmark.service import Caller, Scope, Service

__all__ = ["Admission"]


class Admission:
    """Lets a request to one technology in, and notes its caller in ``request.state.caller``."""

    def __init__(self, service: Service, path: str) -> None:
        self._service = service
        self._path = path

    def __call__(self, request: Request) -> None:
        """Raise `Unauthenticated`, `Forbidden` or an HTTPException of status 429."""
        caller = self._caller(request)
        caller.require(Scope.JOBS)
        self._count(request, caller)
        request.state.caller = caller

    def _caller(self, request: Request) -> Caller:
        key = key_of(request)
        if key is not None:
            return self._service.keys.authenticate(key)
        caller = self._service.keys.anonymous()
        if caller is None:
            raise Unauthenticated(
                "This server answers no request without a key: send one as"
                " `Authorization: Bearer …` or `X-API-Key: …`."
            )
        return caller

    def _count(self, request: Request, caller: Caller) -> None:
        address = request.client.host if request.client else "unknown"
        limit = self._service.settings.rate_limit
        try:
            limit_rate(
                request,
                self._service.limits,
                who=caller.key_id or f"{caller.tenant_id} {address}",
                route=f"{request.method} {PREFIX}{self._path}",
                limit=limit,
            )
        except RateLimited as error:
            sentence = f"Rate limit exceeded: {limits.parse(limit)}."
            raise HTTPException(status_code=429, detail=sentence) from error

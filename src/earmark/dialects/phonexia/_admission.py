"""Who may ask, and how often."""

from __future__ import annotations

import math

import limits
from fastapi import HTTPException
from starlette.requests import Request

from earmark.dialects._http import key_of
from earmark.errors import Unauthenticated
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
        who = caller.key_id or f"{caller.tenant_id} {address}"
        limit = self._service.settings.rate_limit
        allowance = self._service.limits.hit(who, f"{request.method} {self._path}", limit)
        if allowance.allowed:
            return
        raise HTTPException(
            status_code=429,
            detail=f"Rate limit exceeded: {limits.parse(limit)}.",
            headers={
                "retry-after": str(max(1, math.ceil(allowance.retry_after_s))),
                "x-ratelimit-limit": str(allowance.limit),
                "x-ratelimit-remaining": str(allowance.remaining),
                "x-ratelimit-reset": str(math.ceil(allowance.reset_at)),
            },
        )

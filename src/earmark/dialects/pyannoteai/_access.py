"""Who asks, whether they may, and how often: settled before anything else is looked at."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.dialects._http import key_of
from earmark.dialects.pyannoteai._errors import limit_headers, refusal, whole_seconds
from earmark.dialects.pyannoteai._names import NAME
from earmark.errors import EarmarkError, RateLimited
from earmark.service import Caller, Service

__all__ = ["FILES", "Admission", "caller_of"]

FILES = "/media/files/"
"""Under here a signed link is the key, and nothing is counted."""

_SUBMISSIONS = ("/diarize", "/identify", "/voiceprint", "/media/input", "/media/output")
_QUERIES = ("/test", "/jobs")


class Admission:
    """Middleware: the caller and what is left of the rate limit go into the request's state.

    The limit is counted per tenant and endpoint; requests without a good key are counted by the
    address they come from. Every answer tells of it in its headers.
    """

    def __init__(self, app: ASGIApp, *, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _path(scope).startswith(FILES):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            await run_in_threadpool(self._admit, request)
        except EarmarkError as error:
            await refusal(request, error)(scope, receive, _telling(request, send))
            return
        await self._app(scope, receive, _telling(request, send))

    def _admit(self, request: Request) -> None:
        try:
            request.state.caller = self._service.keys.authenticate(key_of(request))
        except EarmarkError:
            self._count(request, f"address {request.client.host if request.client else 'none'}")
            raise
        self._count(request, request.state.caller.tenant_id)

    def _count(self, request: Request, who: str) -> None:
        settings, path = self._service.settings, _path(request.scope)
        limit = settings.pyannoteai_rate_limit_read
        if request.method == "POST" and path in _SUBMISSIONS:
            limit = settings.pyannoteai_rate_limit_submit
        elif path.startswith("/jobs/"):
            path = "/jobs/{jobId}"
        elif path not in _QUERIES:
            path = "other"
        route = f"{NAME} {request.method} {request.scope['root_path']}{path}"
        allowance = self._service.limits.hit(who, route, limit)
        request.state.allowance = allowance
        if not allowance.allowed:
            raise RateLimited(
                f"Too many requests, {limit} are accepted here: wait for"
                f" {whole_seconds(allowance.retry_after_s)} s.",
                retry_after_s=allowance.retry_after_s,
            )


def caller_of(request: Request) -> Caller:
    """Whom `Admission` has let in."""
    caller: Caller = request.state.caller
    return caller


def _telling(request: Request, send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(limit_headers(request))
        await send(message)

    return told


def _path(scope: Scope) -> str:
    """The path below the dialect's prefix."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))

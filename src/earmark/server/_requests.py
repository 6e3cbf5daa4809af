"""What happens around every request: ids, one line in the log, the clock, safe headers."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.server._metrics import Metrics
from earmark.service import Caller

__all__ = ["RequestLog", "route_of"]

_SANE_ID = re.compile(r"[\x21-\x7e]{1,128}")
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_CLIENT_GONE = 499  # as nginx logs it: the client left before the answer
_SAFE: Mapping[str, str] = {
    "Cache-Control": "no-store",  # answers are about people
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_log = structlog.stdlib.get_logger("earmark.access")


class RequestLog:
    """ASGI middleware: gives each request its ids, and tells of it when it is over.

    ``X-Request-ID`` is taken from the request if it has at most 128 printable characters, and
    returned; with ``X-Correlation-ID`` (by default the same) it is in all that is logged
    meanwhile, and in ``request.state``. Paths are logged as templates, so that nothing a client
    made up gets into the log or the metrics; the caller is what a dialect left in
    ``request.state.caller``.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, root_path: str) -> None:
        self._app = app
        self._metrics = metrics
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _sane(headers.get("x-request-id")) or str(uuid.uuid4())
        correlation_id = _sane(headers.get("x-correlation-id")) or request_id
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["correlation_id"] = correlation_id
        status: int | None = None

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer.setdefault("X-Request-ID", request_id)
                for name, value in _SAFE.items():
                    answer.setdefault(name, value)
            elif message["type"] == "websocket.accept":
                status = 101
                MutableHeaders(scope=message).setdefault("X-Request-ID", request_id)
            elif message["type"] == "websocket.close" and status is None:
                status = 403  # what the client sees of a refusal before the handshake
            await send(message)

        began = time.perf_counter()
        with structlog.contextvars.bound_contextvars(
            request_id=request_id, correlation_id=correlation_id
        ):
            try:
                await self._app(scope, receive, tell)
            except Exception:
                status = status or 500
                _log.exception("a request failed")
                raise
            finally:
                self._note(scope, status or _CLIENT_GONE, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, duration_s: float) -> None:
        method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
        method = method if method in _METHODS or scope["type"] == "websocket" else "OTHER"
        route = route_of(scope, self._root_path)
        caller: Caller | None = scope["state"].get("caller")
        _log.info(
            "request",
            method=method,
            route=route,
            status=status,
            duration_ms=round(duration_s * 1000, 1),
            tenant_id=caller.tenant_id if caller else None,
            key_id=caller.key_id if caller else None,
        )
        self._metrics.http_request(method=method, route=route, status=status, duration_s=duration_s)


def route_of(scope: Scope, root_path: str = "") -> str:
    """The template of the route that a request matched, such as ``/api/v1/jobs/{job_id}``.

    ``/api/v1/*`` when only the dialect is known, ``*`` when nothing matched.
    """
    route = scope.get("route")
    if route is None:
        return "*"
    prefix = scope.get("root_path", "").removeprefix(root_path)
    if isinstance(route, Mount):
        return f"{prefix}/*"
    return f"{prefix}{route.path}"


def _sane(written: str | None) -> str | None:
    return written if written is not None and _SANE_ID.fullmatch(written) else None

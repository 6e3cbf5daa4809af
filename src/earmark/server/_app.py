"""The HTTP application: the dialects by prefix, health, metrics, the page of the API."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Scope

from earmark.server._dialects import DIALECTS, Dialect
from earmark.server._docs import docs_routes
from earmark.server._forwarded import Forwarded
from earmark.server._health import health_routes
from earmark.server._metrics import Metrics
from earmark.server._problems import problem
from earmark.server._requests import RequestLog
from earmark.service import Service, Worker

__all__ = ["create_app"]

_READABLE = (  # headers that pages of other origins may read
    *("Content-Disposition", "ETag", "Idempotency-Replayed", "Location", "Retry-After"),
    *("X-Correlation-ID", "X-Location", "X-RateLimit-Limit", "X-RateLimit-Remaining"),
    *("X-RateLimit-Reset", "X-Request-ID"),
)


def create_app(
    service: Service,
    *,
    worker: Worker | None = None,
    metrics: Metrics | None = None,
    dialects: Iterable[Dialect] = DIALECTS,
) -> ASGIApp:
    """The ASGI application of a server; ``worker`` is asked whether it is ready too.

    Without ``dialects`` it has health and metrics only. Raises `InvalidOption` for settings that
    cannot be.
    """
    settings = service.settings
    metrics = metrics or Metrics(service)
    mounts = {prefix: app for each in dialects for prefix, app in each.mounts(service).items()}
    composed = Starlette(
        routes=[
            *health_routes(service, worker, metrics),
            *(docs_routes() if mounts else ()),
            # A longer prefix goes before a shorter one that it begins with.
            *(_Prefix(prefix, mounts[prefix]) for prefix in sorted(mounts, key=len, reverse=True)),
        ],
        exception_handlers={HTTPException: problem, Exception: problem},
    )
    composed.router.redirect_slashes = False  # an address is right or wrong
    app: ASGIApp = composed
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=("*",),
            allow_headers=("*",),
            expose_headers=_READABLE,
        )
    app = RequestLog(app, metrics, root_path=settings.root_path)
    return Forwarded(app, settings.trusted_proxies)


class _Prefix(Mount):
    """All that begins with a prefix, whatever comes after it, and the prefix by itself."""

    def __init__(self, path: str, app: ASGIApp) -> None:
        super().__init__(path, app)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)  # a newline too

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        if match is Match.NONE:
            path = scope["path"] + "/"
            match, child = super().matches({**scope, "path": path})
            child["path"] = path
        return match, child

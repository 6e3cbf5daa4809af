"""Whether the process lives, whether it can work, and what it counts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import anyio
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from earmark.errors import EarmarkError
from earmark.server._metrics import CONTENT_TYPE, Metrics
from earmark.service import Service, Worker

__all__ = ["health_routes"]

_PATIENCE_S = 5.0

_log = logging.getLogger(__name__)


def health_routes(service: Service, worker: Worker | None, metrics: Metrics) -> list[Route]:
    """``/healthz``, ``/readyz`` and ``/metrics``; none needs a key, none tells of a tenant."""
    checks: dict[str, Callable[[], None]] = {
        "database": service.store.database.check,
        "blobs": service.store.blobs.check,
    }
    if worker is not None:
        checks["worker"] = worker.check

    async def alive(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_request: Request) -> Response:
        found = await _all(checks)
        if service.draining:
            status = "draining"
        else:
            status = "ready" if set(found.values()) == {"ok"} else "not ready"
        return JSONResponse({"status": status, "checks": found}, 200 if status == "ready" else 503)

    def counted(_request: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return [
        Route("/healthz", alive),
        Route("/readyz", ready),
        Route("/metrics", counted),
    ]


async def _all(checks: Mapping[str, Callable[[], None]]) -> dict[str, str]:
    """Name -> "ok", or the code of what was raised, or "timeout"; the log has the message."""
    found = dict.fromkeys(checks, "timeout")

    async def ask(name: str, check: Callable[[], None]) -> None:
        try:
            await run_sync(check, abandon_on_cancel=True)
            found[name] = "ok"
        except EarmarkError as error:
            found[name] = error.code
            _log.warning("Not ready (%s): %s", name, error)

    with anyio.move_on_after(_PATIENCE_S):
        async with anyio.create_task_group() as group:
            for name, check in checks.items():
                group.start_soon(ask, name, check)
    return found

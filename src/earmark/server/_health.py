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

Check = Callable[[], None]
"""Raises an `EarmarkError` when something is not as it must be."""

_OK = "ok"
_PATIENCE_S = 5.0
_AT_ONCE = 8

_log = logging.getLogger(__name__)


def health_routes(service: Service, worker: Worker | None, metrics: Metrics) -> list[Route]:
    """``/healthz``, ``/readyz`` and ``/metrics``; none needs a key, none tells of a tenant."""
    checks: dict[str, Check] = {
        "database": service.store.database.check,
        "blobs": service.store.blobs.check,
    }
    if worker is not None:
        checks["worker"] = worker.check
    checkup = _Checkup(checks)

    async def alive(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_request: Request) -> Response:
        found = await checkup.run()
        status = "ready" if set(found.values()) == {_OK} else "not ready"
        if service.draining:
            status = "draining"
        return JSONResponse({"status": status, "checks": found}, 200 if status == "ready" else 503)

    def counted(_request: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return [Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", counted)]


class _Checkup:
    """Runs all checks side by side, each for a few seconds at most."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._said: dict[str, str] = {}
        # Threads of its own: those that hang in a check are not missed by requests.
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def run(self) -> dict[str, str]:
        """Name -> "ok", "timeout", or the code of what was raised; the log has the message."""
        found = dict.fromkeys(self._checks, "timeout")
        messages = dict.fromkeys(self._checks, f"no answer within {_PATIENCE_S:.0f} s")

        async def ask(name: str, check: Check) -> None:
            try:
                await run_sync(check, abandon_on_cancel=True, limiter=self._limiter)
                found[name] = _OK
            except EarmarkError as error:
                found[name], messages[name] = error.code, str(error)

        with anyio.move_on_after(_PATIENCE_S):
            async with anyio.create_task_group() as group:
                for name, check in self._checks.items():
                    group.start_soon(ask, name, check)
        for name, code in found.items():
            if code not in (_OK, self._said.get(name)):
                _log.warning("Not ready (%s): %s", name, messages[name])
        self._said = found
        return found

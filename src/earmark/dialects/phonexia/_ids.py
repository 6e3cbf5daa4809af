"""The two ids that every answer carries: those of the request, or new ones."""

from __future__ import annotations

import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CorrelationIds", "ids_of"]

_STATE: Final = "phonexia_ids"


class CorrelationIds:
    """Puts ``X-Correlation-ID`` and ``X-Request-ID`` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given, state = Headers(scope=scope), scope.setdefault("state", {})
        request_id = state.get("request_id")  # what the server's own log calls the request
        ids = {
            "X-Correlation-ID": given.get("x-correlation-id") or str(uuid.uuid4()),
            "X-Request-ID": given.get("x-request-id") or request_id or str(uuid.uuid4()),
        }
        state[_STATE] = ids

        async def send_with_ids(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(ids)
            await send(message)

        await self._app(scope, receive, send_with_ids)


def ids_of(request: Request) -> dict[str, str]:
    """The ids, for the one answer that is written outside of the middleware (500)."""
    ids: dict[str, str] = getattr(request.state, _STATE, {})
    return ids

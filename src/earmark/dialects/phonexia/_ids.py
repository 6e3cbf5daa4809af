"""The two ids that every answer carries: those of the request, or new ones."""

from __future__ import annotations

import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CorrelationIds", "ids_of"]

_STATE: Final = "phonexia_ids"
_NOTED: Final = {"X-Correlation-ID": "correlation_id", "X-Request-ID": "request_id"}


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
        ids = {
            # Where the client gives none, what the server's own log says of the request.
            name: given.get(name) or state.get(noted) or str(uuid.uuid4())
            for name, noted in _NOTED.items()
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

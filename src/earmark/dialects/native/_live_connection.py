"""One connection to ``WS /live``, from its first message to its last."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from earmark.dialects.native._live_conversation import Conversation, Left, Unsupported, parsed
from earmark.dialects.native._live_messages import ErrorMessage
from earmark.dialects.native._live_requests import FromClient
from earmark.errors import Draining, EarmarkError, Kind
from earmark.live import CloseReason
from earmark.service import Caller, Service

__all__ = ["Connection"]

_CLOSE_S = 2.0

_LEFT = 1000
_UNSUPPORTED = 1003
_RESTARTING = 1012

CODES: Mapping[Kind, int] = {
    Kind.INVALID: 1008,
    Kind.UNAUTHENTICATED: 1008,
    Kind.NOT_FOUND: 1008,
    Kind.FORBIDDEN: 1008,
    Kind.CONFLICT: 1008,
    Kind.GONE: 1008,
    Kind.TOO_LARGE: 1009,
    Kind.RATE_LIMITED: 1013,
    Kind.EXHAUSTED: 1013,
    Kind.UNAVAILABLE: 1013,
    Kind.INTERNAL: 1011,
}
"""Close codes (RFC 6455 and its registry) of errors."""

ENDINGS: Mapping[CloseReason, int] = {
    CloseReason.FINISHED: 1000,
    CloseReason.CANCELED: 1000,
    CloseReason.IDLE: 1008,
    CloseReason.UNREAD: 1008,
    CloseReason.TOO_LONG: 1008,
    CloseReason.REVOKED: 1008,
    CloseReason.ABANDONED: 1008,
    CloseReason.SHUTTING_DOWN: _RESTARTING,
    CloseReason.FAILED: 1011,
}
"""Close codes of sessions that have ended."""


class Connection(Conversation):
    """A conversation by WebSocket; closes with a code and a word when it is over."""

    def __init__(self, service: Service, caller: Caller, websocket: WebSocket) -> None:
        super().__init__(service, caller)
        self._websocket = websocket

    async def serve(self) -> None:
        """Until the session has ended, the client is gone, or says what cannot be."""
        refused: ErrorMessage | None = None
        try:
            ended = await self.hold()
            code, word = ENDINGS[ended.reason], ended.reason.value
        except (Left, WebSocketDisconnect):
            return
        except EarmarkError as error:
            code, word = _code(error), error.code
            refused = ErrorMessage(code=word, message=str(error))
        with suppress(TimeoutError, WebSocketDisconnect):  # who does not read is not told
            async with asyncio.timeout(_CLOSE_S):
                await self._close(code, word, refused)

    async def _close(self, code: int, word: str, refused: ErrorMessage | None) -> None:
        if refused is not None:
            await self._say(refused)
        if self._websocket.application_state is WebSocketState.CONNECTED:
            await self._websocket.close(code, word)

    async def _receive(self) -> bytes | FromClient:
        """The next message. Raises `InvalidInput`, `Left` and `WebSocketDisconnect`."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            code = message.get("code", 1006)
            raise Left if code == _LEFT else WebSocketDisconnect(code)
        data: bytes | None = message.get("bytes")
        return data if data is not None else parsed(message["text"])

    async def _say(self, message: BaseModel) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect):  # who receives hears of it, and why
                await self._websocket.send_text(message.model_dump_json(by_alias=True))


def _code(error: EarmarkError) -> int:
    if isinstance(error, Unsupported):
        return _UNSUPPORTED
    return _RESTARTING if isinstance(error, Draining) else CODES[error.kind]

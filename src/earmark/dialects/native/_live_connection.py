"""One connection to ``WS /live``, from its first message to its last."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from earmark.dialects._websockets import DONE, FAILED, REFUSED, RESTARTING, UNSUPPORTED, close_code
from earmark.dialects.native._live_conversation import Conversation, Left, Unsupported, parsed
from earmark.dialects.native._live_messages import ErrorMessage
from earmark.dialects.native._live_requests import FromClient
from earmark.errors import EarmarkError
from earmark.live import CloseReason
from earmark.service import Caller, Service

__all__ = ["Connection"]

_CLOSE_S = 2.0

ENDINGS: Mapping[CloseReason, int] = {
    CloseReason.FINISHED: DONE,
    CloseReason.CANCELED: DONE,
    CloseReason.IDLE: REFUSED,
    CloseReason.UNREAD: REFUSED,
    CloseReason.TOO_LONG: REFUSED,
    CloseReason.REVOKED: REFUSED,
    CloseReason.ABANDONED: REFUSED,
    CloseReason.SHUTTING_DOWN: RESTARTING,
    CloseReason.FAILED: FAILED,
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
            unsupported = isinstance(error, Unsupported)
            code, word = UNSUPPORTED if unsupported else close_code(error), error.code
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
            raise Left if code == DONE else WebSocketDisconnect(code)
        data: bytes | None = message.get("bytes")
        return data if data is not None else parsed(message["text"])

    async def _say(self, message: BaseModel) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect):  # who receives hears of it, and why
                await self._websocket.send_text(message.model_dump_json(by_alias=True))

"""A call's sound that comes through a WebSocket: what every dialect with such a one does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from anyio.to_thread import run_sync
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from earmark.audio import PcmFormat
from earmark.errors import Draining, EarmarkError, SessionOver
from earmark.service import Call, Caller, CallMediaStream, Leg, Service

__all__ = ["CallFeed", "next_message"]

_QUIET_S = 2.0  # without sound, after which what has come is stored
_PATIENCE_S = 10.0  # with who listens: a call that is spoken now cannot wait
_LOOK_S = 0.02


class CallFeed:
    """Takes sound as long as ``async with`` lasts; what has come until then is stored.

    Entering raises what `CallMedia.open` does.
    """

    def __init__(
        self, service: Service, caller: Caller, call: Call, *, leg: Leg | None, sound: PcmFormat
    ) -> None:
        self._service, self._caller = service, caller
        self._stream: CallMediaStream = service.call_media.open(caller, call, leg=leg, sound=sound)

    @property
    def call(self) -> Call:
        """The call as it was when sound was stored last."""
        return self._stream.call

    @property
    def stored_bytes(self) -> int:
        """How much of what has come is stored."""
        return self._stream.stored_bytes

    async def push(self, data: bytes) -> bool:
        """Take sound, cut anywhere; whether some was stored.

        Waits a little when whoever listens cannot follow. Raises what `CallMediaStream` does, and
        `Draining` when the server is about to end.
        """
        if self._service.draining:
            raise Draining("The server shuts down: connect again in a moment.")
        stored = self._stream.add(data) and await self.store()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while self._stream.backlog_s > self._service.settings.live_backlog_s:
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            self._stream.listen_no_more()
        return stored

    async def store(self) -> bool:
        """Store what has come, as when nothing more comes for a while; whether there was any."""
        before = self.stored_bytes
        await run_sync(self._stream.store)
        return self.stored_bytes > before

    async def close(self) -> Call:
        """Store the rest; the call as it then stands. Raises as `push`."""
        return await run_sync(self._stream.close)

    async def end(self) -> Call:
        """As `close`, and end the call."""
        call = await self.close()
        return await run_sync(
            self._service.calls.end, self._caller, call.connector, call.transaction_id
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.close()
        except EarmarkError:
            if error is None:  # what came first is what is told
                raise


async def next_message(
    websocket: WebSocket, idle_s: float, when_quiet: Callable[[], Awaitable[object]]
) -> Message:
    """The next message; meanwhile, ``when_quiet`` is called now and then.

    Raises `WebSocketDisconnect` at the end, and `SessionOver` when nothing comes for ``idle_s``.
    """
    waited_s = 0.0
    while waited_s < idle_s:
        try:
            async with asyncio.timeout(_QUIET_S):
                message = await websocket.receive()
        except TimeoutError:
            waited_s += _QUIET_S
            await when_quiet()
            continue
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        return message
    raise SessionOver(f"Nothing came for {idle_s:g} s (EARMARK_CALL_IDLE_S): connect again.")

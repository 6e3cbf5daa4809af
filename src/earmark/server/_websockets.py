"""WebSockets that end when they are over, also when the other side does not read any more."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

__all__ = ["BoundedWebSocket"]

_LINGER_S = 15.0
_UNSENT_BYTES = 64 << 10
_BAD_TEXT = 1007


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, with ends.

    By itself it would wait for ever until its last words are read, say nothing to a handshake with
    a longer line or more headers than it reads, gather answers to pings that nobody reads, and take
    a client for dead whose answer to a ping waits behind its sound.
    """

    _abort: asyncio.TimerHandle | None = None
    _heard = False  # anything since the last ping, or since it was looked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What the kernel holds for who does not read is held unnoticed, and can be megabytes.
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT_BYTES
        )
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_initiated = True
            refusal = self.conn.reject(431, "This handshake is too long, or cannot be read.\n")
            self.transport.write(refusal.serialize())
            self.transport.close()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # one that is not read need not be answered

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:  # which uvicorn would log as an error of its own
                self.frames = []
                self.conn.send_close(_BAD_TEXT)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def send(self, message: ASGISendEvent) -> None:
        try:
            await super().send(message)
        except ClientDisconnected:
            if message["type"] == "websocket.send":
                raise
            # Who left during the handshake: the application receives that next.
        if self.close_sent:  # also by a refusal, which uvicorn would take for none
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        try:
            await super().run_asgi()
        finally:
            self._linger()

    def send_keepalive_ping(self) -> None:
        self._heard = False
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        if (self.read_paused or self._heard) and self.ping_timeout is not None:
            # The answer comes after all that waits to be read, which may be a whole recording.
            self._heard = False
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        self._linger()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._abort is not None:
            self._abort.cancel()
        super().connection_lost(exc)

    def _linger(self) -> None:
        if self._abort is None and not self.disconnected:
            self._abort = self.loop.call_later(_LINGER_S, self.transport.abort)

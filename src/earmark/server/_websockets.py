"""WebSockets that end when they are over, also when the other side does not read any more."""

from __future__ import annotations

import asyncio
import socket

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["BoundedWebSocket"]

_LINGER_S = 15.0
_UNSENT_BYTES = 64 << 10


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which by itself would wait for ever until its last words are read."""

    _abort: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What the kernel holds for who does not read is held unnoticed, and can be megabytes.
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT_BYTES
        )
        super().connection_made(transport)

    async def run_asgi(self) -> None:
        try:
            await super().run_asgi()
        finally:
            self._linger()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._linger()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._abort is not None:
            self._abort.cancel()
        super().connection_lost(exc)

    def _linger(self) -> None:
        if self._abort is None and not self.disconnected:
            self._abort = self.loop.call_later(_LINGER_S, self.transport.abort)

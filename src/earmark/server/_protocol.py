"""Connections whose requests have to begin in time and in measure."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HEAD_S", "MAX_HEAD", "BoundedProtocol"]

MAX_HEAD = 64 << 10
"""Bytes of a request line and its headers, about: what arrives at once is looked at as a whole."""

HEAD_S = 30.0
"""Seconds in which they have to come."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which by itself would gather headers without end and wait for ever."""

    _head_bytes: int | None = 0  # None: the headers are complete
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as its base
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_bytes is None or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD:
            self.send_400_response("The headers of this request are too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._stop_waiting()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._stop_waiting()
        self._late = self.loop.call_later(HEAD_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()

    def _give_up(self) -> None:
        # While an earlier request is answered, the next may have to wait halfway.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

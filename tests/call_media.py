"""A WebSocket that brings the sound of a call, for tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from server import Server

__all__ = ["Socket", "connected"]


class Socket:
    """A client's side."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, *messages: bytes | dict[str, Any]) -> None:
        for each in messages:
            self.connection.send(json.dumps(each) if isinstance(each, dict) else each)

    def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(timeout=30))
        return message

    def until(self, kind: str) -> dict[str, Any]:
        """The next message of this type; those before it are passed over."""
        while (message := self.receive())["type"] != kind:
            pass
        return message

    def closed(self) -> tuple[int, str]:
        """The code and the word that the server closes with."""
        with suppress(ConnectionClosed):
            while True:
                self.connection.recv(timeout=30)
        assert self.connection.close_code is not None
        return self.connection.close_code, self.connection.close_reason or ""

    def cut(self) -> None:
        """Be gone, without a word."""
        self.connection.socket.shutdown(2)


@contextmanager
def connected(
    server: Server,
    path: str,
    *,
    key: str | None = None,
    headers: dict[str, str] | None = None,
    **query: str | int,
) -> Iterator[Socket]:
    """A connection, closed in good order in the end."""
    url = server.url.replace("http", "ws", 1) + path
    if query:
        url += "?" + urlencode(query)
    sent = dict(headers or {})
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    with connect(url, additional_headers=sent, proxy=None, close_timeout=5) as connection:
        yield Socket(connection)

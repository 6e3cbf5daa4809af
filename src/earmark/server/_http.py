"""HTTP and WebSocket: a socket, bound early, and uvicorn on it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from earmark.dialects import MAX_MESSAGE_BYTES
from earmark.errors import InvalidOption, Unavailable
from earmark.server._tls import Tls
from earmark.server._websockets import BoundedWebSocket

__all__ = ["HttpServer", "bind", "port_taken"]

_BACKLOG = 2048
_LEAST_S = 1.0
_PING_S = 15.0
_PONG_S = 45.0  # a client whose sound has to wait is read from late


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one. Raises `Unavailable` or `InvalidOption`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise InvalidOption(
            f"{host!r} is no address of this machine: give one with --host, such as 0.0.0.0."
        ) from error
    family, _, _, _, address = found[0]
    try:
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        raise port_taken(host, port, os.strerror(error.errno or 0)) from error


def port_taken(host: str, port: int, reason: str) -> Unavailable:
    """What is raised when an address cannot be listened on."""
    return Unavailable(
        f"Nothing can listen on {host} port {port} ({reason}): stop what uses it or take another."
    )


class HttpServer:
    """uvicorn on a bound socket; when it ends is decided elsewhere."""

    def __init__(self, app: ASGIApp, listener: socket.socket, *, root_path: str, tls: Tls | None):
        self._listener = listener
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                http=_protocol(),
                ws=BoundedWebSocket,
                ws_max_size=MAX_MESSAGE_BYTES,
                ws_ping_interval=_PING_S,
                ws_ping_timeout=_PONG_S,
                ws_per_message_deflate=False,  # of sound it saves little
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                root_path=root_path,
                ssl_certfile=tls.cert if tls else None,
                ssl_keyfile=tls.key if tls else None,
            )
        )
        self.url = _url(listener, "https" if tls else "http")

    async def start(self) -> None:
        """Serve, in the task ``serving``, which ends after `stop` or when serving fails."""
        self.serving = asyncio.create_task(self._server.serve([self._listener]))
        while not self._server.started and not self.serving.done():
            await asyncio.sleep(0.005)

    async def stop(self, grace_s: float) -> None:
        """Take no more connections; open ones have so long to end, and a second at least."""
        grace_s = max(_LEAST_S, grace_s)
        self._server.config.timeout_graceful_shutdown = grace_s  # type: ignore[assignment] # any number
        self._server.should_exit = True
        await self.serving


def _protocol() -> type[asyncio.Protocol] | Literal["h11"]:
    """What reads requests: httptools where it is installed; both bound the headers."""
    try:
        from earmark.server._protocol import BoundedProtocol
    except ImportError:
        return "h11"
    return BoundedProtocol


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:  # the process has its own
        yield


def _url(listener: socket.socket, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

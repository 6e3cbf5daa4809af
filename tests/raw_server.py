"""A server on loopback that sends what a test tells it to, byte for byte."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

__all__ = ["RawServer", "serve"]

Respond = Callable[[socket.socket, "RawServer"], None]


@dataclass
class RawServer:
    """What has come in so far; ``stopped`` is set when the test is over."""

    host: str
    port: int
    scheme: str = "http"
    requests: list[bytes] = field(default_factory=list)
    stopped: Event = field(default_factory=Event)
    hung_up: Event = field(default_factory=Event)
    """The client closed while it was being answered."""

    def url(self, path: str = "/") -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{path}"

    def headers(self, index: int = -1) -> dict[str, str]:
        lines = self.requests[index].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {key.lower(): value for key, value in (line.split(": ", 1) for line in lines)}

    def drip(self, connection: socket.socket, piece: bytes) -> None:
        """Send a piece now and then, until the client or the test has had enough."""
        while not self.stopped.wait(0.02):
            connection.sendall(piece)


@contextmanager
def serve(
    respond: Respond | bytes,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl_context: ssl.SSLContext | None = None,
) -> Iterator[RawServer]:
    """Serve one answer, given as bytes or as a function that sends it, to every request."""
    with socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
    ) as listener:
        server = RawServer(
            host=host,
            port=listener.getsockname()[1],
            scheme="https" if ssl_context else "http",
        )
        threads: list[Thread] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                if server.stopped.is_set():
                    connection.close()
                    return
                threads.append(Thread(target=answer, args=(connection,)))
                threads[-1].start()

        def answer(connection: socket.socket) -> None:
            with suppress(ssl.SSLError, ConnectionError), connection:
                wrapped = (
                    ssl_context.wrap_socket(connection, server_side=True)
                    if ssl_context
                    else connection
                )
                with wrapped:
                    wrapped.settimeout(30)
                    server.requests.append(_request(wrapped))
                    try:
                        if isinstance(respond, bytes):
                            wrapped.sendall(respond)
                        else:
                            respond(wrapped, server)
                    except (ConnectionError, ssl.SSLError):
                        server.hung_up.set()

        acceptor = Thread(target=accept)
        acceptor.start()
        try:
            yield server
        finally:
            server.stopped.set()
            with suppress(OSError):  # wakes accept()
                socket.create_connection((host, server.port)).close()
            acceptor.join()
            for thread in threads:
                thread.join()


def _request(connection: socket.socket) -> bytes:
    """One request, read to its end, so that closing sends no reset; or the start of a handshake."""
    data = b""
    while b"\r\n\r\n" not in data and not data.startswith(b"\x16\x03"):
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body

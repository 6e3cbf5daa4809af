"""A connection that breaks: it stands between a client and a server."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit

from server import Server

__all__ = ["BadLine"]


class BadLine:
    """Stands between client and server and cuts connections after so many bytes each."""

    def __init__(self, server: Server, *, cuts: list[int]) -> None:
        to = urlsplit(server.url)
        self._to = (str(to.hostname), int(to.port or 0))
        self.cuts = cuts  # bytes from the client that the next connections pass on
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                left = self.cuts.pop(0) if self.cuts else 1 << 40
                self._start(self._serve, client, left)

    def _serve(self, client: socket.socket, left: int) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._to) as server:
            answers = self._start(self._pass_on, server, client, 1 << 40)
            self._pass_on(client, server, left)
            answers.join()

    def _pass_on(self, source: socket.socket, sink: socket.socket, left: int) -> None:
        with contextlib.suppress(OSError):
            while left > 0 and (data := source.recv(min(left, 65536))):
                sink.sendall(data)
                left -= len(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _start(self, target: object, *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)
        return thread

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

"""One connection of the HTTP client: to an address that was checked, and with an end in time."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from threading import Thread

import httpcore

from earmark.service._addresses import Address, AddressRules, Target

__all__ = [
    "MAX_HEAD",
    "Backend",
    "Connection",
    "Deadline",
    "HeadTooLong",
    "Resolve",
    "resolve",
    "resolve_checked",
]

MAX_HEAD = 32 * 1024
"""Most bytes of an answer before its body: status line, headers and interim answers."""

_CONNECT_S = 10.0  # for each address of a host
_SILENCE_S = 60.0  # between two signs of life

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host name, given with the port; raises OSError when there are none."""


class HeadTooLong(httpcore.RemoteProtocolError):
    """The answer's headers do not end within `MAX_HEAD` bytes."""


class Deadline:
    """The end of an exchange, which includes resolving, redirects and the whole answer."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, at_most: float = _SILENCE_S) -> float:
        """Seconds that the next step may take, above 0; raises TimeoutError when it is too late."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, at_most)


def resolve(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver knows for a host name."""
    # As bytes, or else Python applies its own, older IDNA once more.
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def resolve_checked(
    target: Target, *, rules: AddressRules, resolve: Resolve, deadline: Deadline
) -> list[Address]:
    """The addresses of a target, resolved once and every one of them allowed.

    Raises:
        AddressForbidden: one of them is forbidden, whatever the others are.
        OSError: the name is not known, or the deadline is over (TimeoutError).
    """
    if target.address is not None:
        return [target.address]
    found: Future[Sequence[str]] = Future()

    def run() -> None:
        try:
            found.set_result(resolve(target.host, target.port))
        except BaseException as error:  # noqa: BLE001 - raised again by who waits for the result
            found.set_exception(error)

    # A resolver cannot be interrupted. It is left behind when it takes too long.
    Thread(target=run, name="resolve", daemon=True).start()
    return [
        rules.check_address(address, host=target.host)
        for address in found.result(timeout=deadline.left())
    ]


class Backend(httpcore.NetworkBackend):
    """Connects to the first of the given addresses that answers, whatever host it is asked for."""

    def __init__(
        self,
        addresses: Iterable[Address],
        *,
        ssl_context: ssl.SSLContext,
        deadline: Deadline,
    ) -> None:
        self._addresses = tuple(addresses)
        self._ssl_context = ssl_context
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - was resolved and checked before
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline counts
        local_address: str | None = None,  # noqa: ARG002 - never set
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - never set
    ) -> Connection:
        """Raises OSError, of the last address tried."""
        failure = OSError("it has no address")
        for address in self._addresses:
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            sock = socket.socket(family, socket.SOCK_STREAM)
            connection = Connection(sock, ssl_context=self._ssl_context, deadline=self._deadline)
            try:
                sock.settimeout(self._deadline.left(_CONNECT_S))
                sock.connect((str(address), port))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                connection.close()
                failure = error
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise failure


class Connection(httpcore.NetworkStream):
    """A socket whose every step ends with the deadline. Its failures are OSErrors.

    ``ended`` tells that the other side has closed.
    """

    def __init__(
        self, sock: socket.socket, *, ssl_context: ssl.SSLContext, deadline: Deadline
    ) -> None:
        self._sock = sock
        self._ssl_context = ssl_context
        self._deadline = deadline
        self._head_left: int | None = MAX_HEAD
        self.ended = False

    def head_complete(self) -> None:
        """From here on the body is read, whose length is its reader's concern."""
        self._head_left = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Up to so many bytes, none when the other side has closed (the head has to be whole).

        Raises `HeadTooLong`, or OSError.
        """
        if self._head_left is not None:
            if self._head_left == 0:
                raise HeadTooLong
            max_bytes = min(max_bytes, self._head_left)
        self._sock.settimeout(self._deadline.left())
        data = self._sock.recv(max_bytes)
        if self._head_left is not None:
            if not data:
                raise ConnectionAbortedError("closed before the end of the headers")
            self._head_left -= len(data)
        self.ended = not data
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Raises TimeoutError; httpcore.WriteError, after which an answer may still be read."""
        rest = memoryview(buffer)
        while rest:
            self._sock.settimeout(self._deadline.left())
            try:
                rest = rest[self._sock.send(rest) :]
            except TimeoutError:
                raise
            except OSError as error:
                raise httpcore.WriteError(str(error)) from error

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002 - see Http: ours is used
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline counts
    ) -> Connection:
        """Shake hands, with the certificate checked against the host's name."""
        try:
            self._sock.settimeout(self._deadline.left())
            self._sock = self._ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except OSError:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close the socket; again is no harm."""
        self._sock.close()

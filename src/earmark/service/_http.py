"""The one HTTP client that reaches out to addresses which users name.

It takes no proxy from the environment, keeps no cookies and no connections, asks for no
compression, and follows at most `MAX_REDIRECTS` redirects, each checked like the first URL. A GET
follows all redirects; another method follows 307 and 308, with its body sent again, and takes
301, 302 and 303, which would make a GET of it, for the answer.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from types import MappingProxyType
from urllib.parse import urljoin

import httpcore

from earmark.errors import FetchError, InvalidOption
from earmark.service._addresses import AddressRules, Target
from earmark.service._connection import (
    MAX_HEAD,
    Backend,
    Connection,
    Deadline,
    HeadTooLong,
    Resolve,
    resolve,
    resolve_checked,
)
from earmark.settings import Settings

__all__ = ["MAX_REDIRECTS", "Answer", "Http", "Incoming"]

MAX_REDIRECTS = 2
MAX_HEADERS = 100

_NOTHING: Mapping[str, str] = MappingProxyType({})
_SECRET = {"authorization", "cookie"}  # headers that stay with the host they were meant for
_USER_AGENT = f"earmark/{version('earmark')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back: ``headers`` under lower-case names, ``body`` no longer than was asked for.

    ``duration_s`` counts from the call to the end of what was read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    duration_s: float

    @property
    def retry_after_s(self) -> float | None:
        """Seconds after which the other side wants to be asked again, if it said so."""
        return _retry_after_s(self.headers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """An answer whose body is still to come.

    ``url`` is where it comes from, after redirects and without query; ``length`` the bytes that
    are promised, None when the other side does not say. Iterating over ``chunks`` raises
    `FetchError`, also when the body ends before its length.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    length: int | None
    chunks: Iterator[bytes]

    @property
    def retry_after_s(self) -> float | None:
        """Seconds after which the other side wants to be asked again, if it said so."""
        return _retry_after_s(self.headers)


class Http:
    """The client. Safe to use from many threads: exchanges share nothing that changes."""

    def __init__(
        self,
        settings: Settings,
        *,
        ssl_context: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        """``ssl_context`` trusts, by default, what the system and certifi trust.

        Raises `InvalidOption` when ``allow_addresses`` holds what is no address or network.
        """
        self.rules = AddressRules.of(settings)
        self._resolve = resolve
        self._ssl_context = ssl_context or httpcore.default_ssl_context()
        self._ssl_context.set_alpn_protocols(["http/1.1"])

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NOTHING,
        body: bytes = b"",
        timeout_s: float,
        max_answer_bytes: int,
    ) -> Answer:
        """Ask, and read the answer up to a length; any status is an answer.

        Raises:
            InvalidOption: ``url`` is no URL.
            FetchError: there was no whole answer in time; `AddressForbidden` among them.
        """
        start = time.monotonic()
        with ExitStack() as stack:
            came = self._exchange(stack, method, url, headers, body, timeout_s)
            read = bytearray()
            for chunk in came.chunks:
                read += chunk
                if len(read) >= max_answer_bytes:
                    break
        return Answer(
            status=came.status,
            headers=came.headers,
            body=bytes(read[:max_answer_bytes]),
            duration_s=time.monotonic() - start,
        )

    @contextmanager
    def stream(
        self, url: str, *, headers: Mapping[str, str] = _NOTHING, timeout_s: float
    ) -> Iterator[Incoming]:
        """GET, with the body to be read by the caller; any status is an answer.

        ``timeout_s`` is for all of it, the body included. Raises as for `request`.
        """
        with ExitStack() as stack:
            yield self._exchange(stack, "GET", url, headers, b"", timeout_s)

    def _exchange(
        self,
        stack: ExitStack,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
    ) -> Incoming:
        """Ask, following redirects; the connection stays open until ``stack`` is closed."""
        deadline = Deadline(timeout_s)
        target = self.rules.check_url(url)
        for _ in range(MAX_REDIRECTS + 1):
            hop = stack.enter_context(ExitStack())
            came = self._ask(hop, method, target, headers, body, deadline)
            onward = _redirect(method, came)
            if onward is None:
                return came
            hop.close()  # a redirect's body is not read
            origin, target = target, self._next(target, onward)
            if (target.scheme, target.authority) != (origin.scheme, origin.authority):
                headers = {k: v for k, v in headers.items() if k.lower() not in _SECRET}
        raise FetchError(
            f"{target.shown} is one redirect too many: {MAX_REDIRECTS} are followed.",
            reason="redirects",
        )

    def _next(self, target: Target, location: str) -> Target:
        try:
            return self.rules.check_url(urljoin(target.url, location))
        except (InvalidOption, ValueError) as error:
            raise FetchError(
                f"{target.shown} redirects to what is no URL that is followed.", reason="redirects"
            ) from error

    def _ask(
        self,
        stack: ExitStack,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes,
        deadline: Deadline,
    ) -> Incoming:
        """One request and the head of its answer."""
        with _told_of(target):
            addresses = resolve_checked(
                target, rules=self.rules, resolve=self._resolve, deadline=deadline
            )
            pool = stack.enter_context(
                httpcore.ConnectionPool(
                    # httpcore changes the context that it is given at each connection, which must
                    # not happen to one that other threads use: the backend has the real one.
                    ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                    network_backend=Backend(
                        addresses, ssl_context=self._ssl_context, deadline=deadline
                    ),
                )
            )
            response = pool.handle_request(_request(method, target, headers, body))
        connection = response.extensions["network_stream"]
        assert isinstance(connection, Connection)
        connection.head_complete()
        if len(response.headers) > MAX_HEADERS:
            raise FetchError(
                f"{target.shown} answered with {len(response.headers)} headers, and {MAX_HEADERS}"
                " are accepted.",
                reason="headers",
            )
        received = _headers(response.headers)
        chunked = "transfer-encoding" in received
        return Incoming(
            url=target.shown,
            status=response.status,
            headers=received,
            length=None if chunked else _length(received),
            chunks=_chunks(response, connection, target),
        )


def _request(
    method: str, target: Target, headers: Mapping[str, str], body: bytes
) -> httpcore.Request:
    every = {
        "Host": target.authority,
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": _USER_AGENT,
        **headers,
    }
    if body or method not in ("GET", "HEAD"):
        every["Content-Length"] = str(len(body))
    return httpcore.Request(
        method,
        httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path),
        headers=list(every.items()),
        content=body,
    )


def _chunks(response: httpcore.Response, connection: Connection, target: Target) -> Iterator[bytes]:
    with _told_of(target, connection):
        yield from response.iter_stream()


def _headers(raw: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return MappingProxyType(headers)


def _redirect(method: str, came: Incoming) -> str | None:
    """Where an answer sends us, if we go there."""
    followed = (301, 302, 303, 307, 308) if method == "GET" else (307, 308)
    return came.headers.get("location") if came.status in followed else None


def _length(headers: Mapping[str, str]) -> int | None:
    # Several equal ones were made one, and other values refused, before.
    return int(headers["content-length"]) if "content-length" in headers else None


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """RFC 9110, section 10.2.3: seconds, or a date."""
    value = headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


@contextmanager
def _told_of(target: Target, connection: Connection | None = None) -> Iterator[None]:
    """Turn what sockets, TLS and httpcore raise into a `FetchError`."""
    try:
        yield
    except (OSError, httpcore.NetworkError, httpcore.ProtocolError) as error:
        what, reason, transient = _failure(error, ended=connection is not None and connection.ended)
        raise FetchError(f"{target.shown} {what}.", reason=reason, transient=transient) from error


def _failure(error: Exception, *, ended: bool) -> tuple[str, str, bool]:
    """What happened in words, its reason, and whether another try may help."""
    match error:
        case TimeoutError():
            return "did not answer in time", "timeout", True
        case socket.gaierror():
            unknown = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))
            return "names a host that is not known", "connection", error.errno not in unknown
        case ssl.SSLCertVerificationError():
            return f"has no valid certificate ({error.verify_message})", "tls", False
        case ssl.SSLError() if not isinstance(error, ssl.SSLEOFError):
            return f"cannot be spoken to by TLS ({error.reason or error})", "tls", False
        case HeadTooLong():
            return f"answered with more than {MAX_HEAD} bytes of headers", "headers", False
        case OSError() | httpcore.NetworkError():
            return f"cannot be reached, or broke off ({error})", "connection", True
        case _ if ended:
            return "broke off its answer", "connection", True
        case _:
            return f"does not speak HTTP/1.1 as it should ({error})", "protocol", False

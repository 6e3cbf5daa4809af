"""A remote recording from real servers on loopback: whole, within its limit, or a clear error."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from earmark.errors import AddressForbidden, EmptyAudio, FetchError, InvalidOption, MediaTooLarge
from earmark.service._fetch import fetch
from earmark.service._http import Http
from earmark.settings import Settings
from raw_server import RawServer, serve

HTTP = Http(Settings(allow_http=True, allow_addresses=("127.0.0.1",)))
LIMIT = 100_000


def fetched(url: str, *, timeout_s: float = 20) -> bytes:
    return b"".join(fetch(url, http=HTTP, limit_bytes=LIMIT, timeout_s=timeout_s))


def sized(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def unsized(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n\r\n" + body


def chunked(body: bytes) -> bytes:
    pieces = [body[at : at + 999] for at in range(0, len(body), 999)] + [b""]
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces
    )


FRAMINGS = [sized, unsized, chunked]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_recording_may_be_as_large_as_the_limit(framing: Callable[[bytes], bytes]) -> None:
    body = bytes(range(256)) * (LIMIT // 256) + b"a" * (LIMIT % 256)
    with serve(framing(body)) as server:
        assert fetched(server.url("/call.wav?SECRET")) == body


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_recording_that_is_a_byte_larger_is_refused(framing: Callable[[bytes], bytes]) -> None:
    with serve(framing(b"a" * (LIMIT + 1))) as server, pytest.raises(MediaTooLarge) as failed:
        fetched(server.url("/call.wav?SECRET"))
    assert (failed.value.size, failed.value.limit) == (LIMIT + 1, LIMIT)
    assert str(LIMIT) in str(failed.value)
    assert "SECRET" not in str(failed.value)


def test_a_recording_that_says_it_is_too_large_is_not_read() -> None:
    def respond(connection: socket.socket, server: RawServer) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        server.drip(connection, b"a")

    with serve(respond) as server:
        with pytest.raises(MediaTooLarge) as failed:
            next(fetch(server.url(), http=HTTP, limit_bytes=LIMIT, timeout_s=20))
        assert server.hung_up.wait(20)
    assert failed.value.size == 1 << 40


def test_a_recording_that_never_ends_is_read_to_the_limit() -> None:
    def respond(connection: socket.socket, server: RawServer) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not server.stopped.is_set():
            connection.sendall(b"400\r\n%s\r\n" % bytes(1024))

    with serve(respond) as server:
        with pytest.raises(MediaTooLarge):
            fetched(server.url())
        assert server.hung_up.wait(20)


@pytest.mark.parametrize(
    "body", [sized(b""), unsized(b""), chunked(b""), b"HTTP/1.1 204 No\r\n\r\n"]
)
def test_a_recording_without_bytes_is_empty(body: bytes) -> None:
    with serve(body) as server, pytest.raises(EmptyAudio, match="has no bytes"):
        fetched(server.url())


def test_a_recording_that_breaks_off_may_be_had_another_time() -> None:
    with serve(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n1234567890") as server:
        chunks = fetch(server.url("/a?SECRET"), http=HTTP, limit_bytes=LIMIT, timeout_s=20)
        assert next(chunks) == b"1234567890"
        with pytest.raises(FetchError, match="broke off") as failed:
            next(chunks)
    assert (failed.value.reason, failed.value.transient) == ("connection", True)
    assert "SECRET" not in str(failed.value)


def test_bytes_after_the_promised_length_are_none_of_the_recording() -> None:
    with serve(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n123456") as server:
        assert fetched(server.url()) == b"123"


def test_a_recording_that_drips_is_a_timeout() -> None:
    def respond(connection: socket.socket, server: RawServer) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n")
        server.drip(connection, b"a")

    with serve(respond) as server:
        with pytest.raises(FetchError) as failed:
            fetched(server.url(), timeout_s=0.5)
        assert server.hung_up.wait(20)
    assert (failed.value.reason, failed.value.transient) == ("timeout", True)


def test_who_stops_reading_hangs_up() -> None:
    def respond(connection: socket.socket, server: RawServer) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        server.drip(connection, b"a")

    with serve(respond) as server:
        chunks = fetch(server.url(), http=HTTP, limit_bytes=LIMIT, timeout_s=20)
        assert next(chunks)
        chunks.close()  # type: ignore[attr-defined]
        assert server.hung_up.wait(20)


@pytest.mark.parametrize(
    ("status", "transient"),
    [
        (300, False),
        (304, False),
        (400, False),
        (401, False),
        (403, False),
        (404, False),
        (408, True),
        (410, False),
        (425, True),
        (429, True),
        (500, True),
        (503, True),
        (599, True),
        (600, False),
    ],
)
def test_a_status_that_is_no_success(status: int, transient: bool) -> None:
    answer = b"HTTP/1.1 %d x\r\nRetry-After: 30\r\n\r\nwhy" % status
    with serve(answer) as server, pytest.raises(FetchError, match=str(status)) as failed:
        fetched(server.url("/call.wav?SECRET"))
    assert (failed.value.reason, failed.value.transient) == ("status", transient)
    assert failed.value.retry_after_s == 30
    assert "SECRET" not in str(failed.value)


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"identity, gzip"])
def test_a_recording_that_is_compressed_by_the_server_is_refused(encoding: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: 1\r\n\r\na" % encoding
    with serve(answer) as server, pytest.raises(FetchError, match="content encoding") as failed:
        fetched(server.url())
    assert (failed.value.reason, failed.value.transient) == ("protocol", False)


def test_a_recording_is_what_it_is_under_any_type() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=x\r\nContent-Encoding: Identity"
    with serve(head + b"\r\n\r\nx") as server:
        assert fetched(server.url()) == b"x"


def test_where_this_server_does_not_connect() -> None:
    with pytest.raises(AddressForbidden):
        fetched("http://127.0.0.2/")
    with pytest.raises(InvalidOption):
        fetched("call.wav")

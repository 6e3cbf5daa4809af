"""What a bad server can do to the client: nothing but a clear error, in time."""

from __future__ import annotations

import socket
from collections.abc import Callable
from threading import Event, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import FetchError
from earmark.service._connection import MAX_HEAD
from earmark.service._http import MAX_HEADERS, Answer, Http
from earmark.settings import Settings
from raw_server import RawServer, serve

HTTP = Http(Settings(allow_http=True, allow_addresses=("127.0.0.1",)))


def failure(url: str, *, http: Http = HTTP, timeout_s: float = 20, body: bytes = b"") -> FetchError:
    with pytest.raises(FetchError) as failed:
        http.request(
            "POST", url + "?SECRET", body=body, timeout_s=timeout_s, max_answer_bytes=1 << 20
        )
    error = failed.value
    assert "SECRET" not in str(error)
    assert str(error).endswith(".")
    return error


def _silent(connection: socket.socket, server: RawServer) -> None:
    server.stopped.wait()


def _dripping(start: bytes, piece: bytes) -> Callable[[socket.socket, RawServer], None]:
    def respond(connection: socket.socket, server: RawServer) -> None:
        connection.sendall(start)
        server.drip(connection, piece)

    return respond


@pytest.mark.parametrize(
    "respond",
    [
        pytest.param(_silent, id="never answers"),
        pytest.param(_dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"a"), id="drips its headers"),
        pytest.param(_dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="always continues"),
        pytest.param(_dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"a"), id="drips its body"),
        pytest.param(
            _dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
            id="never ends its chunks",
        ),
    ],
)
def test_an_answer_that_does_not_end_is_a_timeout(
    respond: Callable[[socket.socket, RawServer], None],
) -> None:
    with serve(respond) as server:
        error = failure(server.url(), timeout_s=0.5)
        if respond is not _silent:
            assert server.hung_up.wait(20)
    assert (error.reason, error.transient) == ("timeout", True)


def test_a_request_that_is_not_taken_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:  # accepts, never reads
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        error = failure(url, timeout_s=0.5, body=bytes(32 << 20))
    assert (error.reason, error.transient) == ("timeout", True)


def test_a_handshake_that_does_not_end_is_a_timeout() -> None:
    http = Http(Settings(allow_addresses=("127.0.0.1",)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        error = failure(url, http=http, timeout_s=0.5)
    assert (error.reason, error.transient) == ("timeout", True)


def test_a_resolver_that_does_not_answer_is_a_timeout() -> None:
    done = Event()

    def stuck(host: str, port: int) -> list[str]:
        done.wait()
        return []

    error = failure(
        "http://a.example/", http=Http(Settings(allow_http=True), resolve=stuck), timeout_s=0.2
    )
    done.set()
    assert (error.reason, error.transient) == ("timeout", True)


def test_redirects_share_one_deadline() -> None:
    def respond(connection: socket.socket, server: RawServer) -> None:
        if len(server.requests) == 1:
            connection.sendall(b"HTTP/1.1 307 x\r\nLocation: /next\r\n\r\n")
        else:
            server.drip(connection, b"")

    with serve(respond) as server:
        error = failure(server.url(), timeout_s=0.5)
    assert len(server.requests) == 2
    assert error.reason == "timeout"


@pytest.mark.parametrize(
    ("number", "transient"),
    [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)],
)
def test_a_name_that_is_not_known(number: int, transient: bool) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(number, "resolver")

    error = failure("http://a.example/", http=Http(Settings(allow_http=True), resolve=unknown))
    assert (error.reason, error.transient) == ("connection", transient)


def test_a_name_without_addresses() -> None:
    http = Http(Settings(allow_http=True), resolve=lambda _host, _port: [])
    assert failure("http://a.example/", http=http).reason == "connection"


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(f"http://127.0.0.1:{port}/")
    assert (error.reason, error.transient) == ("connection", True)
    assert "refused" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="at once"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="in its headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", id="in its body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", id="in chunks"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12", id="in a chunk"
        ),
    ],
)
def test_a_server_that_hangs_up(answer: bytes) -> None:
    with serve(answer) as server:
        error = failure(server.url())
    assert (error.reason, error.transient) == ("connection", True)
    assert "broke off" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n12",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http(answer: bytes) -> None:
    with serve(answer) as server:
        error = failure(server.url())
    assert (error.reason, error.transient) == ("protocol", False)


def _head(size: int) -> bytes:
    """The head of an answer, of so many bytes."""
    start, end = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Long: ", b"\r\n\r\n"
    return start + b"a" * (size - len(start) - len(end)) + end


def _answer(answer: bytes) -> Answer:
    with serve(answer) as server:
        return HTTP.request("GET", server.url(), timeout_s=20, max_answer_bytes=10)


def test_headers_may_be_as_long_as_is_accepted_and_not_a_byte_longer() -> None:
    assert _answer(_head(MAX_HEAD) + b"ok").body == b"ok"
    with serve(_head(MAX_HEAD + 1) + b"ok") as server:
        error = failure(server.url())
    assert (error.reason, error.transient) == ("headers", False)


def test_headers_may_be_as_many_as_are_accepted_and_not_one_more() -> None:
    def head(count: int) -> bytes:
        return b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * count + b"\r\n"

    assert _answer(head(MAX_HEADERS)).status == 200
    with serve(head(MAX_HEADERS + 1)) as server:
        error = failure(server.url())
    assert (error.reason, error.transient) == ("headers", False)


@pytest.mark.parametrize(
    "piece",
    [b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1000, b"HTTP/1.1 102 Processing\r\nA: b\r\n\r\n" * 100],
)
def test_headers_that_never_end_are_not_read_for_ever(piece: bytes) -> None:
    def respond(connection: socket.socket, server: RawServer) -> None:
        while not server.stopped.is_set():
            connection.sendall(piece)

    with serve(respond) as server:
        assert failure(server.url()).reason == "headers"
        assert server.hung_up.wait(20)


def test_an_answer_that_comes_before_the_body_was_taken_is_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        def answer_early() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 20):
                    pass

        thread = Thread(target=answer_early)
        thread.start()
        answer = HTTP.request("POST", url, body=bytes(8 << 20), timeout_s=20, max_answer_bytes=10)
        thread.join()
    assert answer.status == 413


@settings(max_examples=50)
@given(
    answer=st.binary(max_size=200)
    | st.builds(
        lambda head, body: b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body,
        st.from_regex(rb"[A-Za-z-]{1,20}: ?[ -~]{0,40}", fullmatch=True),
        st.binary(max_size=50),
    )
)
def test_any_bytes_are_an_answer_or_a_clear_error(answer: bytes) -> None:
    with serve(answer) as server:
        try:
            came = HTTP.request("GET", server.url(), timeout_s=20, max_answer_bytes=10)
        except FetchError as error:
            assert error.reason in ("connection", "protocol", "headers", "redirects")  # noqa: PT017 - either may come
        else:
            assert 100 <= came.status < 1000

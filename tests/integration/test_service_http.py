"""The client against real servers on loopback: where it connects, what it sends and follows."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates import Authority
from earmark.errors import AddressForbidden, FetchError, InvalidOption
from earmark.service._http import MAX_REDIRECTS, Answer, Http
from earmark.settings import Settings
from raw_server import RawServer, serve

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HTTP = Http(Settings(allow_http=True, allow_addresses=("127.0.0.1",)))
TRUST = ssl.create_default_context()  # takes a while to make


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def ask(url: str, *, http: Http = HTTP, method: str = "GET", body: bytes = b"") -> Answer:
    return http.request(
        method,
        url,
        headers={"X-Mark": "1", "Authorization": "Bearer x"},
        body=body,
        timeout_s=20,
        max_answer_bytes=2048,
    )


def resolving(answers: dict[str, list[str]], calls: list[str]) -> Callable[[str, int], list[str]]:
    def resolve(host: str, port: int) -> list[str]:
        calls.append(host)
        return answers[host]

    return resolve


def test_a_request_arrives_as_it_was_asked_and_its_answer_comes_back() -> None:
    answer = b"HTTP/1.1 202 Accepted\r\nX-A: 1\r\nx-a: 2\r\nRetry-After: 7\r\n\r\nthanks"
    with serve(answer) as server:
        came = ask(server.url("/hook?a=b#part"), method="POST", body=b"{}")
    assert (came.status, came.body, came.headers["x-a"]) == (202, b"thanks", "1, 2")
    assert came.retry_after_s == 7
    assert came.duration_s > 0
    assert server.requests[0].startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert server.requests[0].endswith(b"\r\n\r\n{}")
    sent = server.headers()
    assert sent["host"] == f"127.0.0.1:{server.port}"
    assert sent["accept-encoding"] == "identity"
    assert sent["connection"] == "close"
    assert sent["x-mark"] == "1"
    assert sent["content-length"] == "2"
    assert sent["user-agent"].startswith("earmark/")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", None), ("0", 0), ("120", 120), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_when_to_ask_again_is_read_from_the_answer(value: str, expected: float | None) -> None:
    with serve(f"HTTP/1.1 503 Later\r\nRetry-After: {value}\r\n\r\n".encode()) as server:
        assert ask(server.url()).retry_after_s == expected


def test_a_date_to_ask_again_is_in_the_future() -> None:
    with serve(b"HTTP/1.1 503 x\r\nRetry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n\r\n") as server:
        later = ask(server.url()).retry_after_s
    assert later is not None
    assert later > 365 * 24 * 3600


def test_no_more_of_an_answer_is_kept_than_was_asked_for() -> None:
    with serve(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 5000) as server:
        came = HTTP.request("GET", server.url(), timeout_s=20, max_answer_bytes=100)
    assert came.body == b"a" * 100


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(b"HTTP/1.1 500 proxy\r\n\r\n") as proxy, serve(OK) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
            monkeypatch.setenv(name.upper(), proxy.url())
        assert ask(server.url()).status == 200
    assert proxy.requests == []


def test_no_cookie_and_no_connection_outlives_a_request() -> None:
    kept = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
    )
    with serve(kept) as server:
        ask(server.url())
        ask(server.url())
    assert len(server.requests) == 2
    assert "cookie" not in server.headers()


def test_many_threads_may_ask_at_once(authority: Authority) -> None:
    http = Http(
        Settings(allow_addresses=("127.0.0.1",)),
        ssl_context=authority.trusting(),
        resolve=resolving({"a.example": ["127.0.0.1"]}, []),
    )
    with (
        serve(OK, ssl_context=authority.serving("a.example")) as server,
        ThreadPoolExecutor(16) as threads,
    ):
        url = f"https://a.example:{server.port}/"
        statuses = list(threads.map(lambda _: ask(url, http=http).status, range(64)))
    assert statuses == [200] * 64


# Where it connects


@given(address=st.ip_addresses(network="127.0.0.0/8") | st.ip_addresses(network="10.0.0.0/8"))
def test_a_name_that_leads_to_a_forbidden_address_is_not_connected_to(address: object) -> None:
    http = Http(
        Settings(allow_http=True),
        ssl_context=TRUST,
        resolve=resolving({"a.example": ["1.1.1.1", str(address)]}, []),
    )
    with pytest.raises(AddressForbidden, match=r"a\.example leads to a private address"):
        ask("http://a.example/", http=http)


@given(address=st.sampled_from(["93.184.215.14", "2606:4700::1111", "1.1.1.1"]))
def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(address: str) -> None:
    calls: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        calls.append(host)
        return [address] if len(calls) == 1 else ["127.0.0.1"]

    # The guard of the tests refuses the connection, and tells where it was to go.
    with pytest.raises(AssertionError, match=f"socket.connect {address}"):
        ask("http://a.example/", http=Http(Settings(allow_http=True), resolve=rebinding))
    assert calls == ["a.example"]


def test_a_rebound_name_keeps_leading_to_the_address_that_was_checked() -> None:
    calls: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        calls.append(host)
        return ["127.0.0.1"] if len(calls) == 1 else ["127.0.0.2"]

    http = Http(Settings(allow_http=True, allow_addresses=("127.0.0.1",)), resolve=rebinding)
    with serve(OK) as server, serve(OK, host="127.0.0.2", port=server.port) as other:
        url = f"http://a.example:{server.port}/"
        assert ask(url, http=http).status == 200
        assert calls == ["a.example"]
        assert server.headers()["host"] == f"a.example:{server.port}"
        with pytest.raises(AddressForbidden):
            ask(url, http=http)
    assert (len(server.requests), len(other.requests)) == (1, 0)


def test_the_first_address_that_answers_is_used() -> None:
    http = Http(
        Settings(allow_http=True, allow_addresses=("127.0.0.0/8",)),
        resolve=resolving({"a.example": ["127.0.0.9", "::ffff:127.0.0.1"]}, []),
    )
    with serve(OK) as server:
        assert ask(f"http://a.example:{server.port}/", http=http).status == 200


def test_the_system_resolves_names_when_nothing_else_does() -> None:
    http = Http(Settings(allow_http=True, allow_addresses=("127.0.0.1", "::1")))
    with serve(OK) as server:
        assert ask(f"http://localhost:{server.port}/", http=http).status == 200
    with pytest.raises(AddressForbidden, match="localhost leads to a private address"):
        ask(f"http://localhost:{server.port}/", http=Http(Settings(allow_http=True)))


def test_ipv6_is_spoken() -> None:
    http = Http(Settings(allow_http=True, allow_addresses=("::1",)))
    try:
        with serve(OK, host="::1") as server:
            assert ask(server.url(), http=http).status == 200
            assert server.headers()["host"] == f"[::1]:{server.port}"
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "127.0.0.1."]
)
def test_no_notation_of_this_machine_is_connected_to(host: str) -> None:
    with serve(OK) as server, pytest.raises((AddressForbidden, InvalidOption)):
        ask(f"http://{host}:{server.port}/", http=Http(Settings(allow_http=True)))
    assert server.requests == []


# TLS


def secure(authority: Authority, *, trusting: bool = True) -> Http:
    return Http(
        Settings(allow_addresses=("127.0.0.1",)),
        ssl_context=authority.trusting() if trusting else None,
        resolve=resolving({"a.example": ["127.0.0.1"], "b.example": ["127.0.0.1"]}, []),
    )


def test_https_names_the_host_and_checks_its_certificate(authority: Authority) -> None:
    names: list[str | None] = []
    context = authority.serving("a.example")
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with serve(OK, ssl_context=context) as server:
        came = ask(f"https://a.example:{server.port}/", http=secure(authority))
    assert came.body == b"ok"
    assert names == ["a.example"]
    assert server.headers()["host"] == f"a.example:{server.port}"


def test_https_to_an_address_checks_the_certificate_for_it(authority: Authority) -> None:
    with serve(OK, ssl_context=authority.serving("127.0.0.1")) as server:
        assert ask(server.url(), http=secure(authority)).status == 200
    with serve(OK, ssl_context=authority.serving("a.example")) as server:
        assert _tls_failure(server.url(), secure(authority)).reason == "tls"


def test_a_wrong_certificate_is_refused(authority: Authority) -> None:
    with serve(OK, ssl_context=authority.serving("a.example")) as server:
        wrong_name = _tls_failure(f"https://b.example:{server.port}/", secure(authority))
        unknown = _tls_failure(
            f"https://a.example:{server.port}/", secure(authority, trusting=False)
        )
    with serve(OK, ssl_context=authority.serving("a.example", days=-1)) as server:
        expired = _tls_failure(f"https://a.example:{server.port}/", secure(authority))
    assert "Hostname mismatch" in str(wrong_name)
    assert "unable to get local issuer certificate" in str(unknown)
    assert "expired" in str(expired)
    for error in (wrong_name, unknown, expired):
        assert (error.reason, error.transient) == ("tls", False)
    assert server.requests == []


def test_a_server_without_tls_is_told_from_one_that_is_away(authority: Authority) -> None:
    with serve(OK) as server:
        error = _tls_failure(f"https://a.example:{server.port}/", secure(authority))
    assert (error.reason, error.transient) == ("tls", False)


def _tls_failure(url: str, http: Http) -> FetchError:
    with pytest.raises(FetchError) as failed:
        ask(url, http=http)
    return failed.value


def test_the_trust_of_the_system_can_be_widened(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    with serve(OK, ssl_context=authority.serving("a.example")) as server:
        http = secure(authority, trusting=False)
        assert ask(f"https://a.example:{server.port}/", http=http).status == 200


# Redirects


def redirect(status: int, location: str) -> bytes:
    return f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\n\r\nmoved".encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_get_follows_redirects(status: int) -> None:
    with serve(OK) as goal, serve(redirect(status, goal.url("/there?a=b"))) as server:
        assert ask(server.url("/here")).body == b"ok"
    assert goal.requests[0].startswith(b"GET /there?a=b ")
    assert goal.headers()["x-mark"] == "1"
    assert "authorization" in server.headers()
    assert "authorization" not in goal.headers()


@pytest.mark.parametrize("status", [307, 308])
def test_a_post_is_sent_again_where_its_method_is_kept(status: int) -> None:
    with serve(OK) as goal, serve(redirect(status, goal.url())) as server:
        assert ask(server.url(), method="POST", body=b"{}").status == 200
    assert goal.requests[0].startswith(b"POST / ")
    assert goal.requests[0].endswith(b"\r\n\r\n{}")


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_post_does_not_follow_what_would_make_it_a_get(status: int) -> None:
    with serve(OK) as goal, serve(redirect(status, goal.url())) as server:
        assert ask(server.url(), method="POST", body=b"{}").status == status
    assert goal.requests == []


@pytest.mark.parametrize("status", [300, 304, 305])
def test_other_statuses_lead_nowhere(status: int) -> None:
    with serve(OK) as goal, serve(redirect(status, goal.url())) as server:
        assert ask(server.url()).status == status
    assert goal.requests == []


def _counting(hops: int) -> Callable[[socket.socket, RawServer], None]:
    def respond(connection: socket.socket, server: RawServer) -> None:
        left = hops - len(server.requests) + 1
        connection.sendall(redirect(307, f"next{left}") if left > 0 else OK)

    return respond


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_as_many_redirects_are_followed_as_are_allowed_and_not_one_more(method: str) -> None:
    with serve(_counting(MAX_REDIRECTS)) as server:
        assert ask(server.url("/a/b"), method=method).status == 200
    assert server.requests[1].startswith(f"{method} /a/next{MAX_REDIRECTS} ".encode())
    with serve(_counting(MAX_REDIRECTS + 1)) as server, pytest.raises(FetchError) as failed:
        ask(server.url("/a/b"), method=method)
    assert (failed.value.reason, failed.value.transient) == ("redirects", False)
    assert len(server.requests) == MAX_REDIRECTS + 1


def test_who_redirects_is_left_before_the_goal_is_asked() -> None:
    def goal_answers(connection: socket.socket, goal: RawServer) -> None:
        connection.sendall(OK if server.hung_up.wait(10) else b"HTTP/1.1 500 Still there\r\n\r\n")

    def redirects(connection: socket.socket, server: RawServer) -> None:
        connection.sendall(redirect(302, goal.url()))
        server.drip(connection, b"a")

    with serve(goal_answers) as goal, serve(redirects) as server:
        assert ask(server.url()).status == 200


def test_endless_redirects_end() -> None:
    with serve(redirect(302, "/")) as server, pytest.raises(FetchError) as failed:
        ask(server.url())
    assert failed.value.reason == "redirects"


def test_a_redirect_to_a_forbidden_address_is_not_followed() -> None:
    with (
        serve(OK, host="127.0.0.2") as private,
        serve(redirect(307, private.url("/?SECRET"))) as server,
    ):
        for method in ("GET", "POST"):
            with pytest.raises(AddressForbidden) as failed:
                ask(server.url(), method=method)
            assert failed.value.reason == "address"
            assert "SECRET" not in str(failed.value)
    assert private.requests == []


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "http://[", "http://a b/", "http://u:p@127.0.0.1/"],
)
def test_a_redirect_to_what_is_no_url_of_the_web_is_not_followed(location: str) -> None:
    with serve(redirect(302, location)) as server, pytest.raises(FetchError) as failed:
        ask(server.url())
    assert failed.value.reason == "redirects"


def test_https_is_never_left_for_plain_http(authority: Authority) -> None:
    with (
        serve(OK) as plain,
        serve(redirect(302, plain.url()), ssl_context=authority.serving("a.example")) as server,
        pytest.raises(AddressForbidden, match="plain HTTP"),
    ):
        ask(f"https://a.example:{server.port}/", http=secure(authority))
    assert plain.requests == []


def test_the_url_that_a_redirect_leads_to_is_the_one_that_is_told() -> None:
    with serve(OK) as goal, serve(redirect(302, goal.url("/there?SECRET"))) as server:  # noqa: SIM117 - read while both run
        with HTTP.stream(server.url(), timeout_s=20) as incoming:
            assert incoming.url == goal.url("/there")
            assert b"".join(incoming.chunks) == b"ok"

"""The composition: what surrounds every dialect, tried around one made for it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI, Request, WebSocket
from starlette.types import ASGIApp, Message
from starlette.types import Scope as AsgiScope

from earmark.errors import InvalidOption, StorageUnavailable
from earmark.server import create_app
from earmark.server._dialects import Dialect
from earmark.server._metrics import Metrics
from earmark.service import Caller, Scope, Service
from earmark.settings import Settings


def _mounts(service: Service) -> dict[str, ASGIApp]:
    app = FastAPI()
    short = FastAPI()

    @app.get("/things/{thing_id}")
    def get_thing(thing_id: str, request: Request) -> dict[str, Any]:
        request.state.caller = Caller(tenant_id="T", key_id="EK", scopes=frozenset({Scope.JOBS}))
        return {
            "url": str(request.url),
            "client": request.client and request.client.host,
            "request_id": request.state.request_id,
            "correlation_id": request.state.correlation_id,
        }

    @app.get("/broken")
    def get_broken() -> None:
        raise RuntimeError("inside")

    @app.websocket("/talk")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.url.scheme)
        await socket.close()

    @short.get("/{rest:path}")
    def get_rest(rest: str) -> str:
        return rest

    return {"/made": short, "/made/up": app}


UP = Dialect(name="made-up", mounts=_mounts)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    opened = Service.open(Settings(data_dir=tmp_path))
    yield opened
    opened.close()


class Client:
    """Asks an application directly, as somebody at this address."""

    def __init__(self, app: ASGIApp, peer: str = "203.0.113.9") -> None:
        self._app, self._peer = app, (peer, 4711)

    def request(
        self, method: str, path: str, headers: Mapping[str, str | bytes] | None = None
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(
                self._app, raise_app_exceptions=False, client=self._peer
            )
            async with httpx.AsyncClient(
                transport=transport, base_url="http://testserver"
            ) as client:
                raw = [
                    (k.encode(), v if isinstance(v, bytes) else v.encode())
                    for k, v in (headers or {}).items()
                ]
                return await client.request(method, path, headers=raw)

        return asyncio.run(ask())

    def get(self, path: str, headers: Mapping[str, str | bytes] | None = None) -> httpx.Response:
        return self.request("GET", path, headers)

    def websocket(self, path: str, headers: Mapping[str, str] | None = None) -> list[Message]:
        """Connect, say nothing, and return what the application sent."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: AsgiScope = {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
            "client": self._peer,
            "server": ("testserver", 80),
            "subprotocols": [],
        }
        asyncio.run(self._app(scope, receive, send))  # type: ignore[arg-type] # a coroutine
        return sent


def _client(
    service: Service, *, peer: str = "203.0.113.9", metrics: Metrics | None = None, **settings: Any
) -> Client:
    service.settings = Settings.model_validate({"data_dir": service.settings.data_dir, **settings})
    return Client(create_app(service, dialects=(UP,), metrics=metrics), peer)


def test_dialects_are_mounted_by_prefix_the_longest_first(service: Service) -> None:
    client = _client(service)
    assert client.get("/made/up/things/1").json()["url"] == "http://testserver/made/up/things/1"
    assert client.get("/made/of").json() == "of"
    assert client.get("/made/up/things/a%0Ab").status_code == 200
    assert client.get("/made").json() == client.get("/made/").json() == ""


@pytest.mark.parametrize("path", ["/", "/nowhere", "/mad", "/docs/secret", "/metrics/x"])
def test_what_is_nowhere_is_a_problem_document(service: Service, path: str) -> None:
    answer = _client(service).get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.pop("detail")
    assert problem == {
        "type": "urn:earmark:problem:http.not_found",
        "title": "Not Found",
        "status": 404,
        "code": "http.not_found",
        "request_id": answer.headers["x-request-id"],
    }


def test_a_wrong_method_is_a_problem_document(service: Service) -> None:
    answer = _client(service).request("POST", "/healthz")
    assert answer.status_code == 405
    assert sorted(answer.headers["allow"].split(", ")) == ["GET", "HEAD"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_answers_are_safe_to_have_about(service: Service) -> None:
    answer = _client(service).get("/made/up/things/1")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"


def test_every_request_has_an_id(service: Service) -> None:
    client = _client(service)
    first, second = (client.get("/made/up/things/1") for _ in range(2))
    assert first.headers["x-request-id"] == first.json()["request_id"]
    assert first.json()["correlation_id"] == first.json()["request_id"]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert client.get("/nowhere").headers["x-request-id"]


def test_a_sane_id_is_taken_over(service: Service) -> None:
    client = _client(service)
    given = {"X-Request-ID": "a" * 128, "X-Correlation-ID": "night-run/7"}
    answer = client.get("/made/up/things/1", headers=given)
    assert answer.headers["x-request-id"] == "a" * 128
    assert answer.json()["correlation_id"] == "night-run/7"


@pytest.mark.parametrize("wrong", ["a" * 129, "", "a b", "a\tb", "é"])
def test_another_is_not(service: Service, wrong: str) -> None:
    headers = {"X-Request-ID": wrong.encode("latin-1"), "X-Correlation-ID": wrong.encode("latin-1")}
    answer = _client(service).get("/made/up/things/1", headers=headers)
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
    assert answer.json()["correlation_id"] == answer.headers["x-request-id"]


def test_one_line_tells_of_a_request_and_no_more_than_it_may(service: Service) -> None:
    client = _client(service)
    with structlog.testing.capture_logs() as lines:
        client.get("/made/up/things/secret-name?token=em_secret", headers={"X-Request-ID": "r1"})
        client.get("/made/up/no-such-thing")
        client.get("/secret-path")
    known, unknown, nowhere = lines
    assert known.pop("duration_ms") >= 0
    assert known == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "route": "/made/up/things/{thing_id}",
        "status": 200,
        "tenant_id": "T",
        "key_id": "EK",
    }
    assert (unknown["route"], unknown["status"]) == ("/made/up/*", 404)
    assert (nowhere["route"], nowhere["status"], nowhere["key_id"]) == ("*", 404, None)
    assert "secret" not in json.dumps(lines)


def test_a_failure_is_logged_with_its_request_and_answered(service: Service) -> None:
    client = _client(service)
    with structlog.testing.capture_logs() as lines:
        answer = client.get("/made/up/broken")
    assert answer.status_code == 500
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("a request failed", "error"),
        ("request", "info"),
    ]
    assert lines[1]["status"] == 500


def test_websockets_are_told_of_too(service: Service) -> None:
    metrics = Metrics(service)
    client = _client(service, metrics=metrics)
    with structlog.testing.capture_logs() as lines:
        accepted, text, _closed = client.websocket("/made/up/talk")
    (line,) = lines
    assert dict(accepted["headers"])[b"x-request-id"]
    assert text["text"] == "ws"
    assert (line["method"], line["route"], line["status"]) == ("WEBSOCKET", "/made/up/talk", 101)
    assert 'method="WEBSOCKET",route="/made/up/talk",status="101"' in metrics.text().decode()


def test_requests_are_counted_by_template_and_status(service: Service) -> None:
    metrics = Metrics(service)
    client = _client(service, metrics=metrics)
    for number in range(30):
        client.get(f"/made/up/things/{number}")
        client.get(f"/{number}")
        client.request(f"VERB{number}", "/made/up/things/1")
    series = {
        line.split("_count", 1)[1]
        for line in client.get("/metrics").text.splitlines()
        if line.startswith("earmark_http_request_seconds_count")
    }
    assert series == {
        '{method="GET",route="/made/up/things/{thing_id}",status="200"} 30.0',
        '{method="GET",route="*",status="404"} 30.0',
        '{method="OTHER",route="/made/up/things/{thing_id}",status="405"} 30.0',
    }


def _seen(client: Client, **headers: str) -> tuple[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found = client.get("/made/up/things/1", headers=named).json()
    return found["url"], found["client"]


_FORWARDED = {
    "x_forwarded_proto": "https",
    "x_forwarded_host": "voice.example.org",
    "x_forwarded_for": "198.51.100.7, 10.1.2.3",
}


def test_a_trusted_proxy_says_who_asked_and_how(service: Service) -> None:
    client = _client(service, peer="10.0.0.1", trusted_proxies="10.0.0.0/8,::1")
    assert _seen(client, **_FORWARDED) == (
        "https://voice.example.org/made/up/things/1",
        "198.51.100.7",
    )


@pytest.mark.parametrize("peer", ["203.0.113.9", "not-an-address", "127.0.0.1"])
def test_nobody_else_does(service: Service, peer: str) -> None:
    client = _client(service, peer=peer, trusted_proxies="10.0.0.0/8")
    assert _seen(client, **_FORWARDED) == ("http://testserver/made/up/things/1", peer)


def test_a_client_cannot_make_up_hops_behind_its_own(service: Service) -> None:
    client = _client(service, peer="10.0.0.1", trusted_proxies="10.0.0.0/8")
    made_up = {"x_forwarded_for": "127.0.0.1, 198.51.100.7"}
    assert _seen(client, **made_up)[1] == "198.51.100.7"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_forwarded_proto", "javascript"),
        ("x_forwarded_host", "a b"),
        ("x_forwarded_host", "voice.example.org/path?"),
        ("x_forwarded_for", "unknown"),
        ("x_forwarded_for", ""),
    ],
)
def test_nonsense_of_a_proxy_is_ignored(service: Service, name: str, value: str) -> None:
    client = _client(service, peer="10.0.0.1", trusted_proxies="10.0.0.1")
    assert _seen(client, **{name: value}) == ("http://testserver/made/up/things/1", "10.0.0.1")


def test_a_websocket_through_a_proxy_is_secure(service: Service) -> None:
    client = _client(service, peer="10.0.0.1", trusted_proxies="*")
    headers = {"X-Forwarded-Proto": "https"}
    assert client.websocket("/made/up/talk", headers)[1]["text"] == "wss"


def test_a_proxy_that_is_no_address_is_told(service: Service) -> None:
    with pytest.raises(InvalidOption, match=r"EARMARK_TRUSTED_PROXIES names 'proxy\.local'"):
        _client(service, trusted_proxies="10.0.0.1,proxy.local")


def test_pages_of_other_origins_are_let_in_by_setting_alone(service: Service) -> None:
    asked = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "POST"}
    closed = _client(service)
    assert "access-control-allow-origin" not in closed.get("/healthz", headers=asked).headers
    client = _client(service, cors_origins="https://app.example.org")
    answer = client.request("OPTIONS", "/made/up/things/1", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example.org"
    answer = client.get("/made/up/things/1", headers=asked)
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    other = client.get("/made/up/things/1", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


class _Worker:
    """As the application sees a worker."""

    error: StorageUnavailable | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error


def test_readiness_names_every_check(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    worker = _Worker()
    client = Client(create_app(service, worker=worker, dialects=()))  # type: ignore[arg-type] # enough of one
    assert client.get("/healthz").json() == {"status": "alive"}
    answer = client.get("/readyz")
    checks = {"database": "ok", "blobs": "ok", "worker": "ok"}
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "checks": checks})

    worker.error = StorageUnavailable("No word from db.internal.")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert answer.json() == {
                "status": "not ready",
                "checks": checks | {"worker": "storage.unavailable"},
            }
    assert caplog.messages == ["Not ready (worker): No word from db.internal."]

    worker.error = None
    assert client.get("/readyz").status_code == 200
    service.drain()
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz").json() == {"status": "draining", "checks": checks}
    assert client.get("/healthz").status_code == 200


def test_a_lost_database_is_not_ready_and_still_alive(service: Service, tmp_path: Path) -> None:
    client = _client(service)
    service.close()
    for each in tmp_path.glob("earmark.db*"):
        each.unlink()
    (tmp_path / "earmark.db").mkdir()
    assert client.get("/readyz").json()["checks"]["database"] == "storage.unavailable"
    assert client.get("/healthz").status_code == 200
    assert "earmark_live_sessions" in client.get("/metrics").text


def test_jobs_are_counted_when_asked(service: Service) -> None:
    text = _client(service).get("/metrics").text
    assert 'earmark_jobs{kind="diarize",state="queued"} 0.0' in text
    assert 'earmark_jobs{kind="voice-activity",state="failed"} 0.0' in text


def test_the_page_of_the_api_needs_nothing_from_elsewhere(service: Service) -> None:
    client = _client(service)
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 4
    for link in links:
        assert re.match(r"docs/[\w.-]+$", link)
        assert client.get(f"/{link}").status_code == 200
    assert "http" not in client.get("/docs/start.js").text

"""The real dialects behind their prefixes, as the server composes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from earmark.server import create_app
from earmark.service import Scope, Service
from earmark.settings import Settings

SHAPES = {
    "/api/v1": {"type", "title", "status", "detail", "code", "request_id"},
    "/v1": {"requestId", "message"},
    "/v2": {"requestId", "message"},
    "/api/technology": {"type", "message", "detail"},
    "/audio/generic/api": {"fault"},
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    opened = Service.open(Settings(data_dir=tmp_path))
    yield opened
    opened.close()


def _ask(service: Service, method: str, path: str, **request: Any) -> httpx.Response:
    """The answer of a server under the service's settings, to someone with a key."""
    key = service.keys.create("clinic", [Scope.JOBS], "test").token
    headers = {"Authorization": f"Bearer {key}"} | request.pop("headers", {})

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, path, headers=headers, **request)

    return asyncio.run(ask())


@pytest.mark.parametrize("prefix", SHAPES)
@pytest.mark.parametrize("rest", ["", "/", "/nothing", "/jobs/", "/no%0Athing", "/%0A"])
def test_what_is_nowhere_is_answered_in_the_dialects_shape(
    service: Service, prefix: str, rest: str
) -> None:
    for method in ("GET", "POST"):
        answer = _ask(service, method, prefix + rest)
        assert answer.status_code == 404, answer.text
        assert answer.json().keys() == SHAPES[prefix]


def test_the_description_names_the_prefix_of_a_proxy(service: Service) -> None:
    service.settings = Settings(data_dir=service.settings.data_dir, root_path="/ear")
    described = _ask(service, "GET", "/api/v1/openapi.json").json()
    assert described["servers"] == [{"url": "/ear/api/v1"}]


def test_pages_of_other_origins_read_what_the_dialects_tell_in_headers(service: Service) -> None:
    service.settings = Settings(
        data_dir=service.settings.data_dir, cors_origins=("https://app.example.org",)
    )
    headers = {"Origin": "https://app.example.org", "Idempotency-Key": "an upload"}
    told = {"vary", "content-length", "content-type", "access-control-expose-headers"}
    told |= {"cache-control", "referrer-policy", "x-content-type-options", "x-frame-options"}
    _, answer = (
        _ask(service, "POST", "/api/v1/uploads", json={"size": 3}, headers=headers)
        for _ in range(2)
    )
    assert answer.status_code == 201
    readable = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert "idempotency-replayed" in answer.headers
    ours = {name for name in answer.headers if not name.startswith("access-control")} - told
    assert {"idempotency-replayed", "location", "x-request-id", "x-ratelimit-limit"} <= ours
    assert ours <= set(readable)

"""What dialects read from requests and write into answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from earmark.dialects._http import absolute_url, announced_bytes, idempotency_of, iso, key_of
from earmark.errors import InvalidInput
from earmark.settings import Settings


def _request(**headers: str) -> Request:
    pairs = {"host": "ear.example:8000"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return Request(
        {
            "type": "http",
            "scheme": "https",
            "path": "/api/v1/limits",
            "query_string": b"",
            "headers": [(k.encode(), v.encode()) for k, v in pairs.items()],
        }
    )


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer  abc "}, "abc"),
        ({"authorization": "Basic abc"}, "Basic abc"),
        ({"authorization": "Bearer "}, "Bearer"),
        ({"x_api_key": "def"}, "def"),
        ({"authorization": "Bearer abc", "x_api_key": "def"}, "abc"),
        ({"authorization": "Basic abc", "x_api_key": "def"}, "def"),
    ],
)
def test_where_a_key_is_looked_for(headers: dict[str, str], key: str | None) -> None:
    assert key_of(_request(**headers)) == key


def test_links_lead_where_clients_come_from() -> None:
    path = "/api/v1/jobs/1"
    assert absolute_url(_request(), path, Settings()) == "https://ear.example:8000" + path
    assert (
        absolute_url(_request(), path, Settings(root_path="/ear"))
        == "https://ear.example:8000/ear" + path
    )
    assert (
        absolute_url(
            _request(), path, Settings(root_path="/ear", public_url="https://x.example/e/")
        )
        == "https://x.example/e" + path
    )


def test_what_a_request_announces() -> None:
    assert announced_bytes(_request()) is None
    assert announced_bytes(_request(content_length="nonsense")) is None
    assert announced_bytes(_request(content_length="1000000")) == 1_000_000
    assert announced_bytes(_request(content_length="1000000"), form=True) == 934_464
    assert announced_bytes(_request(content_length="10"), form=True) == 0


def test_an_idempotency_key_covers_route_and_body() -> None:
    assert idempotency_of(_request(), "POST /jobs", "ab") is None
    request = _request(idempotency_key="order 66")
    first = idempotency_of(request, "POST /jobs", "ab")
    assert first is not None
    assert first.key == "order 66"
    assert first == idempotency_of(request, "POST /jobs", "ab")
    assert first != idempotency_of(request, "POST /jobs", "ac")
    assert first != idempotency_of(request, "POST /uploads", "ab")


@pytest.mark.parametrize("key", ["", " ", "a" * 256, "a\tb", "é"])
def test_an_idempotency_key_that_cannot_be_one_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        idempotency_of(_request(idempotency_key=key), "POST /jobs", "ab")


@given(st.floats(0, 4e9))
def test_times_are_utc_to_the_millisecond(t: float) -> None:
    text = iso(t)
    assert len(text) == len("2026-01-31T09:30:00.000Z")
    assert abs(datetime.fromisoformat(text).timestamp() - t) < 0.0011
    assert datetime.fromisoformat(text).tzinfo == UTC

"""Error bodies of the Phonexia dialect, for errors that a running server seldom meets."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from earmark.dialects.phonexia._errors import add_error_bodies
from earmark.dialects.phonexia._ids import CorrelationIds
from earmark.errors import DiskFull, Draining, EarmarkError, JobPoisoned, StorageUnavailable


def answer_to(error: Exception) -> httpx.Response:
    """What a client gets when this is raised."""
    app = FastAPI()
    app.add_middleware(CorrelationIds)
    add_error_bodies(app)

    @app.get("/")
    def fail() -> None:
        raise error

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/", headers={"x-request-id": "r1"})

    return asyncio.run(ask())


@pytest.mark.parametrize("error", [ValueError("a secret"), JobPoisoned("a secret")])
def test_a_failure_of_ours_tells_nothing_but_that(error: Exception) -> None:
    answer = answer_to(error)
    assert answer.status_code == 500
    assert answer.json() == {"type": "internal", "message": "Internal error.", "detail": []}
    assert answer.headers["x-request-id"] == "r1"
    assert answer.headers["x-correlation-id"]


@pytest.mark.parametrize("error", [Draining("Try again."), StorageUnavailable("Try again.")])
def test_what_passes_by_itself_is_503(error: EarmarkError) -> None:
    answer = answer_to(error)
    assert answer.status_code == 503
    assert answer.json()["type"] == "internal"
    (entry,) = answer.json()["detail"]
    assert (entry["message"], entry["type"]) == ("Try again.", error.code)


def test_a_full_disk_is_507() -> None:
    answer = answer_to(DiskFull("There is no room."))
    assert answer.status_code == 507
    assert answer.json() == {
        "type": "storage.capacity-exceeded",
        "message": "Storage capacity exceeded.",
        "detail": [],
    }

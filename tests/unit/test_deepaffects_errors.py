"""Faults of the DeepAffects dialect, for errors that a running server seldom meets."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from earmark.dialects.deepaffects._errors import add_faults
from earmark.errors import (
    ConsentRequired,
    DiskFull,
    Draining,
    EarmarkError,
    Gone,
    JobPoisoned,
    MediaTooLarge,
    RateLimited,
    Unauthenticated,
)


def answer_to(error: Exception) -> httpx.Response:
    """What a client gets when this is raised."""
    app = FastAPI()
    add_faults(app)

    @app.get("/")
    def fail() -> None:
        raise error

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/")

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ConsentRequired("No consent."), 403, "com.deepaffects.Forbidden"),
        (Gone("Gone."), 404, "com.deepaffects.NotFound"),
        (MediaTooLarge("Too large.", size=2, limit=1), 413, "com.deepaffects.TooLarge"),
        (JobPoisoned("Two died."), 500, "api_error"),
        (Draining("Later."), 503, "api_error"),
        (DiskFull("Full."), 507, "api_error"),
    ],
)
def test_errors_of_ours(error: EarmarkError, status: int, code: str) -> None:
    answer = answer_to(error)
    assert answer.status_code == status
    assert answer.json() == {
        "fault": {
            "faultstring": str(error),
            "fault_string": str(error),
            "detail": {"errorcode": code, "error_code": code},
        }
    }


def test_a_bad_key_in_the_vendors_words() -> None:
    answer = answer_to(Unauthenticated("This key is not known here."))
    assert answer.status_code == 401
    fault = answer.json()["fault"]
    assert (fault["faultstring"], fault["detail"]["errorcode"]) == (
        "Invalid ApiKey",
        "oauth.v2.InvalidApiKey",
    )


def test_too_many_requests() -> None:
    answer = answer_to(RateLimited("Too many.", retry_after_s=2.2))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert answer.json()["fault"]["detail"]["errorcode"] == "rate_limit"


def test_a_failure_that_nobody_expected_tells_nothing() -> None:
    answer = answer_to(ValueError("a secret"))
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["fault"]["detail"]["errorcode"] == "api_error"

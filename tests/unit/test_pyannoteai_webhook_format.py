"""Webhooks: what is sent, signed how, and when again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any, Literal

import pytest

from earmark.dialects.pyannoteai import webhook_format
from earmark.service import JobState, WebhookFormat
from earmark.settings import Settings
from pyannoteai_results import a_job, result

SECRET = "whsec_c2VjcmV0"


def the_format(encoding: Literal["hex", "base64"] = "hex") -> WebhookFormat:
    return webhook_format(Settings(pyannoteai_signature=encoding))


def headers(
    body: bytes = b"{}",
    *,
    encoding: Literal["hex", "base64"] = "hex",
    attempt: int = 1,
    last_reason: str | None = None,
) -> dict[str, str]:
    return the_format(encoding).headers(
        secret=SECRET,
        delivery_id="msg_1",
        attempt=attempt,
        last_reason=last_reason,
        body=body,
        now=1_700_000_000.9,
    )


def expected(headers: dict[str, str], body: bytes) -> bytes:
    """The signature by the vendor's recipe."""
    signed = f"v0:{headers['X-Request-Timestamp']}:{body.decode()}"
    return hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()


def test_the_signature_of_the_sample() -> None:
    body = '{"speaker":"Zoë"}'.encode()
    sent = headers(body)
    assert sent["X-Request-Timestamp"] == "1700000000"
    assert sent["X-Signature"] == expected(sent, body).hex()
    assert sent["Content-Type"] == "application/json"


def test_the_signature_of_the_prose() -> None:
    sent = headers(b"{}", encoding="base64")
    assert base64.b64decode(sent["X-Signature"], validate=True) == expected(sent, b"{}")


def test_the_check_of_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs/pyannoteai.md").read_text(encoding="utf-8")
    scope: dict[str, Any] = {}
    exec(page.rpartition("```python\n")[2].partition("```")[0], scope)
    body = '{"speaker":"Zoë"}'.encode()
    assert scope["is_genuine"](SECRET, headers(body), body)
    assert not scope["is_genuine"](SECRET, headers(body), body + b" ")
    assert not scope["is_genuine"]("another", headers(body), body)


def test_that_the_first_attempt_is_no_retry() -> None:
    assert not {name.lower() for name in headers()} & {"x-retry-num", "x-retry-reason"}


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("timeout", "http_timeout"),
        ("redirects", "too_many_redirects"),
        ("connection", "connection_failed"),
        ("tls", "ssl_error"),
        ("status", "http_error"),
        ("headers", "unknown_error"),
        ("protocol", "unknown_error"),
        ("address", "unknown_error"),
    ],
)
def test_what_a_retry_says_of_the_attempt_before(reason: str | None, name: str) -> None:
    sent = headers(attempt=3, last_reason=reason)
    assert (sent["x-retry-num"], sent["x-retry-reason"]) == ("2", name)


def test_what_a_redelivery_says() -> None:
    """By hand it is tried more often than the vendor would, and also when it had arrived."""
    assert headers(attempt=9, last_reason="status")["x-retry-num"] == "3"
    assert not {name.lower() for name in headers(attempt=2)} & {"x-retry-num", "x-retry-reason"}


def test_when_it_is_tried_again() -> None:
    each = the_format()
    assert each.schedule_s == (0, 0, 60, 300)
    assert each.timeout_s == 10
    assert (each.jitter, each.honours_retry_after, each.disables_on_gone) == (0, False, False)


@pytest.mark.parametrize(
    ("state", "render", "keys"),
    [
        (JobState.SUCCEEDED, {}, ["jobId", "status", "output"]),
        (JobState.SUCCEEDED, {"webhookStatusOnly": True}, ["jobId", "status"]),
        (JobState.FAILED, {}, ["jobId", "status"]),
        (JobState.CANCELED, {}, ["jobId", "status"]),
    ],
)
def test_what_is_told(state: JobState, render: dict[str, Any], keys: list[str]) -> None:
    body = the_format().body(a_job(state, **render), lambda: result().to_json().encode())
    told = json.loads(body)
    assert list(told) == keys
    assert told["status"] == state.value
    if "output" in keys:
        assert len(told["output"]["diarization"]) == 3

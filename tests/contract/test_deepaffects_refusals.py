"""Requests that the DeepAffects dialect refuses before it listens, each with the vendor's fault."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from audio_samples import make
from earmark.server import create_app
from earmark.service import JobKind, Scope, Service
from earmark.settings import Settings
from earmark.storage import jobs

PREFIX = "/audio/generic/api"
HOOK = "https://example.com/hook"
CONTENT = base64.b64encode(make("wav-s16", 1.0)).decode()

ENROLL, IDENTIFY, DIARIZE, VAD = (
    "/v2/sync/diarization/enroll",
    "/v2/sync/diarization/identify",
    "/v2/sync/diarize",
    "/v1/sync/vad",
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("deepaffects")
    opened = Service.open(Settings(data_dir=folder, max_upload_bytes=100_000, reserve_bytes=0))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    return service.keys.create("clinic", [Scope.JOBS, Scope.GALLERIES], "test").token


_app = cache(create_app)


def ask(service: Service, path: str, body: Any = None, **request: Any) -> httpx.Response:
    """The answer of a server; ``body`` is JSON, or the bytes themselves."""
    content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            method = request.pop("method", "POST")
            return await client.request(method, PREFIX + path, content=content, **request)

    return asyncio.run(send())


def fault_of(answer: httpx.Response, status: int, code: str = "com.deepaffects.BadRequest") -> str:
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"fault"}
    fault = answer.json()["fault"]
    assert fault.keys() == {"faultstring", "fault_string", "detail"}
    assert fault["detail"] == {"errorcode": code, "error_code": code}
    assert fault["faultstring"] == fault["fault_string"]
    message: str = fault["faultstring"]
    return message


@pytest.mark.parametrize(
    "request_with",
    [
        lambda key: {"params": {"apikey": key}},
        lambda key: {"params": {"api_key": key}},
        lambda key: {"headers": {"Authorization": f"Bearer {key}"}},
        lambda key: {"headers": {"X-API-Key": key}},
    ],
    ids=["apikey", "api_key", "bearer", "header"],
)
def test_where_a_key_may_be(service: Service, key: str, request_with: Any) -> None:
    path = "/v1/sync/diarization/get_enrolled_speakers"
    answer = ask(service, path, method="GET", **request_with(key))
    assert answer.status_code == 200
    assert answer.json() == {"developer_id": "clinic", "enrolled_speaker_ids": []}
    refused = ask(service, path, method="GET", **request_with(key[:-1]))
    assert fault_of(refused, 401, "oauth.v2.InvalidApiKey") == "Invalid ApiKey"


@pytest.mark.parametrize("path", [ENROLL, IDENTIFY, DIARIZE, VAD, "/v2/async/diarize", "/v9/other"])
def test_no_key(service: Service, path: str) -> None:
    assert fault_of(ask(service, path), 401, "oauth.v2.InvalidApiKey") == "Invalid ApiKey"


def test_a_key_without_the_scope(service: Service) -> None:
    key = service.keys.create("clinic", [Scope.JOBS], "test").token
    answer = ask(
        service,
        "/v2/sync/diarization/enroll",
        method="GET",
        params={"apikey": key, "speakerId": "ann"},
    )
    assert "galleries" in fault_of(answer, 403, "com.deepaffects.Forbidden")


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (DIARIZE, b"", "no JSON"),
        (DIARIZE, b"[]", "a JSON object"),
        (DIARIZE, {"content": "not base64!"}, "no base64"),
        (DIARIZE, {}, "Exactly one of url and content"),
        (DIARIZE, {"content": ""}, "Exactly one of url and content"),
        (DIARIZE, {"content": CONTENT, "url": HOOK}, "Exactly one of url and content"),
        (DIARIZE, {"url": "ftp://example.com/a.wav"}, "ftp"),
        (DIARIZE, {"url": "https://127.0.0.1/a.wav"}, "127.0.0.1"),
        (DIARIZE, {"content": CONTENT, "speakerCount": 0}, "speakerCount"),
        (DIARIZE, {"content": CONTENT, "speakerIds": ["ann"]}, "'ann' is not enrolled"),
        (ENROLL, {"content": CONTENT}, "speakerId"),
        (ENROLL, {"content": CONTENT, "speakerId": "Ann Lee"}, "speakerId"),
        (IDENTIFY, {"content": CONTENT}, "speakerIds"),
        (IDENTIFY, {"content": CONTENT, "speakerIds": []}, "speakerIds"),
        (IDENTIFY, {"content": CONTENT, "speakerIds": ["ann"]}, "'ann' is not enrolled"),
        (VAD, {"content": CONTENT, "minNonSpeechDuration": -1}, "minNonSpeechDuration"),
        ("/v1/sync/diarization/delete", {"speakerId": "a b"}, "speakerId"),
        ("/v1/sync/diarization/delete", {"speakerId": "ann", "content": CONTENT}, "no need"),
    ],
)
def test_bad_requests(service: Service, key: str, path: str, body: Any, said: str) -> None:
    assert said in fault_of(ask(service, path, body, params={"apikey": key}), 400)
    assert not list(service.store.blobs.list("media/"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "webhook"),
        ({"webhook": ""}, "webhook"),
        ({"webhook": "http://example.com/hook"}, "http"),
        ({"webhook": "https://127.0.0.1/hook"}, "127.0.0.1"),
        ({"webhook": HOOK, "request_id": "x" * 256}, "request_id"),
    ],
)
@pytest.mark.parametrize("path", ["/v2/async/diarize", "/v1/async/vad"])
def test_bad_queries(
    service: Service, key: str, path: str, query: dict[str, str], said: str
) -> None:
    answer = ask(service, path, {"content": CONTENT}, params={"apikey": key, **query})
    assert said in fault_of(answer, 400)


def test_what_is_taken_is_a_job_of_ours(service: Service, key: str) -> None:
    query = {"apikey": key, "webhook": HOOK, "request_id": "r 1"}
    answer = ask(service, "/v1/async/vad", {"content": CONTENT}, params=query)
    assert answer.status_code == 202
    assert answer.json() == {"request_id": "r 1", "api": "/audio/generic/api/v1/async/vad"}
    caller = service.keys.authenticate(key)
    (job,) = service.jobs.list(caller, dialect="deepaffects").items
    assert job.kind is JobKind.VOICE_ACTIVITY
    with service.store.database.read() as connection:
        row = jobs.fetch(connection, job.id)
    assert row is not None
    assert row["retention_s"] == service.settings.deepaffects_retention_s
    service.jobs.delete(caller, job.id)
    service.media.delete(caller, job.media_id or "")


def test_a_recording_of_too_many_bytes(service: Service, key: str) -> None:
    body = {"content": base64.b64encode(bytes(100_001)).decode()}
    answer = ask(service, DIARIZE, body, params={"apikey": key})
    assert "100000" in fault_of(answer, 413, "com.deepaffects.TooLarge")
    assert not list(service.store.blobs.list("media/"))


def test_nobody_is_enrolled_without_consent(service: Service, key: str) -> None:
    body = {"content": CONTENT, "speakerId": "ann"}
    answer = ask(service, ENROLL, body, params={"apikey": key})
    message = fault_of(answer, 403, "com.deepaffects.Forbidden")
    assert message.startswith("Error in enroll: ")
    assert "EARMARK_STANDING_CONSENT" in message
    assert not list(service.store.blobs.list("media/"))
    everybody = ask(
        service,
        "/v1/sync/diarization/get_enrolled_speakers",
        method="GET",
        params={"apikey": key, "getAllSpeakers": "True"},
    )
    assert everybody.json()["enrolled_speaker_ids"] == []


def test_too_many_requests(tmp_path: Path) -> None:
    service = Service.open(Settings(data_dir=tmp_path, rate_limit="2/hour"))
    key = service.keys.create("clinic", [Scope.GALLERIES], "test").token
    query = {"apikey": key, "speakerId": "ann"}
    for left in ("1", "0"):
        answer = ask(service, ENROLL, method="GET", params=query)
        fault_of(answer, 404, "com.deepaffects.NotFound")
        assert answer.headers["X-RateLimit-Remaining"] == left
    refused = ask(service, ENROLL, method="GET", params=query)
    service.close()
    fault_of(refused, 429, "rate_limit")
    assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v2/sync/recognise_emotion", 501, "does not offer recognise_emotion"),
        ("/v2/async/recognise_emotion", 501, "does not offer recognise_emotion"),
        ("/v1/async/denoise", 501, "does not offer denoise"),
        ("/v3/async/diarization/identify", 404, "no such path"),
        ("/v1/sync/is_depressed", 404, "no such path"),
    ],
)
def test_what_is_not_offered(service: Service, key: str, path: str, status: int, said: str) -> None:
    message = fault_of(ask(service, path, params={"apikey": key}), status, "unknown_route")
    assert said in message
    assert "diarization/identify, diarize and vad" in message

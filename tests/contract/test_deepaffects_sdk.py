"""DeepAffects' own client against a running server: what it can ask, and what it is told."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deepaffects_client import Sdk
from earmark.service import Delivery, DeliveryState, Scope, Service
from earmark.settings import Settings
from raw_server import RawServer
from raw_server import serve as receiving
from server import Server, running
from waiting import until

TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


BROKEN = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_ALLOW_HTTP": "1",
        "EARMARK_ALLOW_ADDRESSES": "127.0.0.1",
    }
    with running(tmp_path_factory.mktemp("deepaffects"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    return server.new_key("ann", (Scope.JOBS, Scope.GALLERIES))


@pytest.fixture(scope="module")
def sdk(server: Server, key: str) -> Sdk:
    return Sdk(server.url, key)


@pytest.fixture(scope="module")
def content(sample_wav: Path) -> str:
    return base64.b64encode(sample_wav.read_bytes()).decode()


def posted(receiver: RawServer) -> dict[str, Any]:
    """What the webhook was told."""
    until(lambda: receiver.requests, what="the webhook")
    (request,) = receiver.requests
    assert request.startswith(b"POST /hook HTTP/1.1\r\n")
    assert receiver.headers()["content-type"] == "application/json"
    told: dict[str, Any] = json.loads(request.partition(b"\r\n\r\n")[2])
    return told


def assert_two_talk(segments: list[dict[str, Any]]) -> None:
    assert {each["speaker_id"] for each in segments} == {"speaker1", "speaker2"}
    assert segments[0]["speaker_id"] == "speaker1"
    for each in segments:
        assert each.keys() == {"speaker_id", "start", "end"}
        assert 0 <= each["start"] < each["end"] <= 30


@pytest.mark.parametrize(("api", "version"), [("DiarizeApiV2", "v2"), ("DiarizeApi", "v1")])
def test_a_diarization(sdk: Sdk, content: str, api: str, version: str) -> None:
    with receiving(TAKEN) as receiver:
        told = sdk.run(
            """
body = deepaffects.DiarizeAudio(encoding="wav", sample_rate=16000, content=given["content"])
answer = getattr(deepaffects, given["api"])().async_diarize_audio(
    body=body, webhook=given["webhook"], request_id="r1")
told.update(request_id=answer.request_id, api=answer.api)
""",
            content=content,
            api=api,
            webhook=receiver.url("/hook"),
        )
        result = posted(receiver)
    assert told == {"request_id": "r1", "api": f"/audio/generic/api/{version}/async/diarize"}
    assert result.keys() == {"request_id", "response"}
    assert result["request_id"] == "r1"
    assert result["response"]["num_speakers"] == 2
    assert_two_talk(result["response"]["segments"])


def test_an_answer_at_once(sdk: Sdk, content: str) -> None:
    told = sdk.run(
        """
body = deepaffects.DiarizeAudio(encoding="wav", sample_rate=16000, content=given["content"])
body.speakers = 2
raw = deepaffects.DiarizeApi().sync_diarize_audio(body=body, _preload_content=False)
told.update(status=raw.status, body=json.loads(raw.data))
""",
        content=content,
    )
    assert told["status"] == 200
    assert told["body"].keys() == {"segments"}  # the number was given, not counted
    assert_two_talk(told["body"]["segments"])


def test_a_failure_is_told_to_the_webhook(sdk: Sdk) -> None:
    with receiving(TAKEN) as receiver:
        told = sdk.run(
            """
body = deepaffects.DiarizeAudio(encoding="wav", sample_rate=16000, content=given["content"])
answer = deepaffects.DiarizeApiV2().async_diarize_audio(body=body, webhook=given["webhook"])
told["request_id"] = answer.request_id
""",
            content=base64.b64encode(b"These are only words. " * 500).decode(),
            webhook=receiver.url("/hook"),
        )
        result = posted(receiver)
    assert result.keys() == {"request_id", "fault"}
    assert result["request_id"] == told["request_id"]
    assert result["fault"]["detail"]["errorcode"] == "com.deepaffects.BadRequest"
    assert result["fault"]["faultstring"].endswith(".")


def test_a_webhook_that_fails_is_tried_again(server: Server, key: str, sdk: Sdk) -> None:
    with receiving(BROKEN) as receiver:
        told = sdk.run(
            """
body = deepaffects.DiarizeAudio(encoding="wav", sample_rate=16000, content="QUJD")
answer = deepaffects.DiarizeApiV2().async_diarize_audio(body=body, webhook=given["webhook"])
told["request_id"] = answer.request_id
""",
            webhook=receiver.url("/hook"),
        )
        posted(receiver)
    service = Service.open(Settings(data_dir=server.data_dir))
    try:
        caller = service.keys.authenticate(key)

        def record() -> Delivery:
            (found,) = service.webhooks.deliveries(caller, job_id=told["request_id"]).items
            return service.webhooks.delivery(caller, found.id)

        until(lambda: record().attempts, what="the attempt's record")
        delivery = record()
    finally:
        service.close()
    assert delivery.state is DeliveryState.PENDING
    (attempt,) = delivery.attempts
    assert attempt.status == 500
    assert delivery.next_at > attempt.started_at + 15


def test_a_key_that_is_none(server: Server, content: str) -> None:
    told = Sdk(server.url, "sk_wrong").run(
        """
body = deepaffects.DiarizeAudio(encoding="wav", sample_rate=16000, content=given["content"])
try:
    deepaffects.DiarizeApi().sync_diarize_audio(body=body)
except ApiException as error:
    told.update(status=error.status, body=json.loads(error.body))
""",
        content=content,
    )
    assert told["status"] == 401
    assert told["body"]["fault"]["faultstring"] == "Invalid ApiKey"
    assert told["body"]["fault"]["detail"]["errorcode"] == "oauth.v2.InvalidApiKey"


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("EmotionApi().sync_recognise_emotion", "recognise_emotion"),
        ("DenoiseApi().sync_denoise_audio", "denoise"),
        ("FeaturizeApi().sync_featurize_audio", "featurize"),
    ],
)
def test_what_is_not_offered(sdk: Sdk, call: str, name: str) -> None:
    told = sdk.run(
        f"""
body = deepaffects.Audio(encoding="wav", sample_rate="16000", content="QUJD")
try:
    deepaffects.{call}(body=body)
except ApiException as error:
    told.update(status=error.status, body=json.loads(error.body))
"""
    )
    assert told["status"] == 501
    message = told["body"]["fault"]["fault_string"]
    assert message.startswith(f"This server does not offer {name}.")
    assert "diarization/identify" in message


def test_the_program_of_the_docs(sdk: Sdk, key: str, server: Server, sample_wav: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/deepaffects.md").read_text(encoding="utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    with receiving(TAKEN) as receiver:
        for written, here in (
            ("http://127.0.0.1:8000", server.url),
            ("em_…", key),
            ("meeting.wav", str(sample_wav)),
            ("https://example.com/hook", receiver.url("/hook")),
        ):
            assert written in program
            program = program.replace(written, here)
        assert sdk.run_as_it_is(program) == "monday\n"
        assert posted(receiver)["response"]["num_speakers"] == 2


def test_that_keys_in_addresses_are_not_logged(server: Server, key: str, sdk: Sdk) -> None:
    with server.client() as client:
        answer = client.get("/audio/generic/api/v2/nothing", params={"apikey": key})
    assert answer.status_code == 404
    until(lambda: '"status": 404' in server.log)
    assert key not in server.log
    assert "apikey" not in server.log

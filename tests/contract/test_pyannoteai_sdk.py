"""The vendor's own client, and its recipes, against a running server."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from pyannoteai.sdk import Client
from pyannoteai.sdk.client import PyannoteAICanceledJob, PyannoteAIFailedJob

from audio_samples import wav
from earmark.audio import read_audio
from earmark.service import Service
from earmark.settings import Settings
from raw_server import RawServer
from raw_server import serve as receiving
from server import Server, running
from waiting import until

pytestmark = pytest.mark.filterwarnings(
    r"ignore:\s*You are using:UserWarning",  # the client's advice about uploads and polling
)

TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BROKEN = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TO_ITSELF = b"HTTP/1.1 307 There\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    """Runs jobs; webhooks and recordings may be on this machine."""
    settings = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_ALLOW_HTTP": "1",
        "EARMARK_ALLOW_ADDRESSES": "127.0.0.1",
    }
    with running(tmp_path_factory.mktemp("pyannoteai"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Takes jobs and runs none."""
    with running(tmp_path_factory.mktemp("idle"), "--no-worker") as server:
        yield server


@pytest.fixture(scope="module")
def service(server: Server) -> Iterator[Service]:
    """What the operator's commands use: the server's folder, from another process."""
    service = Service.open(Settings(data_dir=server.data_dir))
    yield service
    service.close()


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    return server.new_key("ann")


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server, str], Client]:
    def connect(server: Server, key: str) -> Client:
        monkeypatch.setattr(Client, "API_URL", f"{server.url}/v1")
        return Client(token=key)

    return connect


@pytest.fixture
def client(connect: Callable[[Server, str], Client], server: Server, key: str) -> Client:
    return connect(server, key)


def is_genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """The vendor's published recipe."""
    signed_content = f"v0:{headers['x-request-timestamp']}:{body.decode()}"
    expected = hmac.new(secret.encode(), signed_content.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, headers["x-signature"])


def deliveries(receiver: RawServer, secret: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """What has come in: headers and body of each, once the signature was checked."""
    found = []
    for i, request in enumerate(receiver.requests):
        body = request.partition(b"\r\n\r\n")[2]
        headers = receiver.headers(i)
        assert request.startswith(b"POST ")
        assert headers["content-type"] == "application/json"
        assert abs(time.time() - int(headers["x-request-timestamp"])) < 300
        assert is_genuine(secret, headers, body)
        assert not is_genuine(secret + "x", headers, body)
        found.append((headers, json.loads(body)))
    return found


@pytest.fixture(scope="module")
def secret(service: Service, key: str) -> str:
    return service.tenants.get(service.keys.authenticate(key).tenant_id).webhook_secret


def test_a_call_with_every_option(client: Client, sample_wav: Path, secret: str) -> None:
    progress: list[dict[str, int]] = []
    media = client.upload(sample_wav, callback=lambda **told: progress.append(told))
    assert media == f"media://{hashlib.md5(sample_wav.read_bytes()).hexdigest()}"
    size = sample_wav.stat().st_size
    assert progress[-1] == {"total": size, "completed": size}

    with receiving(TAKEN) as receiver:
        job_id = client.diarize(
            media,
            num_speakers=2,
            confidence=True,
            turn_level_confidence=True,
            exclusive=True,
            webhook=receiver.url(),
        )
        job = client.retrieve(job_id, every_seconds=1)
        until(lambda: len(receiver.requests) == 1)
        ((headers, told),) = deliveries(receiver, secret)

    assert (job["jobId"], job["status"]) == (job_id, "succeeded")
    output = job["output"]
    assert output.keys() == {"diarization", "confidence", "exclusiveDiarization"}
    speakers = {"SPEAKER_00", "SPEAKER_01"}
    for turns in (output["diarization"], output["exclusiveDiarization"]):
        assert {turn["speaker"] for turn in turns} == speakers
        for turn in turns:
            assert turn.keys() == {"speaker", "start", "end", "confidence"}
            assert 0 <= turn["start"] < turn["end"] <= 30
            assert turn["confidence"].keys() == speakers
            assert all(0 <= score <= 100 for score in turn["confidence"].values())
            assert turn["confidence"][turn["speaker"]] > 0
    for turn, following in pairwise(output["exclusiveDiarization"]):
        assert turn["end"] <= following["start"]
    assert output["confidence"]["resolution"] == 0.02
    assert len(output["confidence"]["score"]) == 1500
    assert all(0 <= score <= 100 for score in output["confidence"]["score"])
    assert len(set(output["confidence"]["score"])) > 10

    assert told == {"jobId": job_id, "status": "succeeded", "output": output}
    assert "x-retry-num" not in headers


def test_a_call_with_the_defaults(client: Client, sample_wav: Path, secret: str) -> None:
    media = client.upload(sample_wav, media_url="media://calls/monday.wav")
    with receiving(TAKEN) as receiver:
        job_id = client.diarize(media, webhook=receiver.url(), webhookStatusOnly=True)
        job = client.retrieve(job_id, every_seconds=1)
        until(lambda: len(receiver.requests) == 1)
        ((_, told),) = deliveries(receiver, secret)
    assert job["output"].keys() == {"diarization"}
    assert len(job["output"]["diarization"]) > 5
    assert job["output"]["diarization"][0].keys() == {"speaker", "start", "end"}
    assert told == {"jobId": job_id, "status": "succeeded"}


def test_that_hints_are_kept_to(client: Client, sample_wav: Path) -> None:
    media = client.upload(sample_wav)

    def speakers(**hints: Any) -> int:
        output = client.retrieve(client.diarize(media, **hints), every_seconds=1)["output"]
        return len({turn["speaker"] for turn in output["diarization"]})

    assert speakers(num_speakers=1) == 1
    assert speakers(min_speakers=3) >= 3
    assert speakers(max_speakers=1, model="community-1") == 1


def test_a_count_that_cannot_be(client: Client, sample_wav: Path) -> None:
    job_id = client.diarize(client.upload(sample_wav), num_speakers=500)
    output = client.retrieve(job_id, every_seconds=1)["output"]
    assert output["warning"].startswith("There should be 500 speakers")


def test_the_request_of_the_older_documents(key: str, server: Server, sample_wav: Path) -> None:
    """numSpeakers of 1 or 2, confidence, a webhook, no model, and a URL to fetch from."""
    sound = sample_wav.read_bytes()
    served = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(sound)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with receiving(served + sound) as shop, receiving(TAKEN) as receiver:
        body = {
            "url": shop.url("/audio.wav"),
            "webhook": receiver.url("/webhook"),
            "numSpeakers": 2,
            "confidence": True,
        }
        answer = requests.post(
            f"{server.url}/v1/diarize", data=json.dumps(body), headers=headers, timeout=60
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "created"
        until(lambda: len(receiver.requests) == 1)
    job_url = f"{server.url}/v1/jobs/{answer.json()['jobId']}"
    job = requests.get(job_url, headers=headers, timeout=60).json()
    assert job["status"] == "succeeded"
    assert {turn["speaker"] for turn in job["output"]["diarization"]} == {
        "SPEAKER_00",
        "SPEAKER_01",
    }
    assert job["output"]["confidence"]["resolution"] == 0.02


def test_what_cannot_be_diarized(client: Client, secret: str, tmp_path: Path) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("These are notes, not sound.\n" * 100)
    media = client.upload(text)
    with receiving(TAKEN) as receiver:
        job_id = client.diarize(media, webhook=receiver.url())
        with pytest.raises(PyannoteAIFailedJob) as caught:
            client.retrieve(job_id, every_seconds=1)
        until(lambda: len(receiver.requests) == 1)
        ((_, told),) = deliveries(receiver, secret)
    message, failed_id = caught.value.args
    assert failed_id == job_id
    assert message.endswith(".")
    assert "/" not in message, "It names a path of the server."
    assert told == {"jobId": job_id, "status": "failed"}


@pytest.mark.parametrize(
    ("answer", "reason", "requests_per_attempt"),
    [
        (BROKEN, "http_error", 1),
        (TO_ITSELF, "too_many_redirects", 3),
    ],
)
def test_that_a_webhook_is_retried(
    service: Service,
    key: str,
    secret: str,
    client: Client,
    tmp_path: Path,
    answer: bytes,
    reason: str,
    requests_per_attempt: int,
) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("These are notes, not sound.\n" * 100)
    media = client.upload(text)
    with receiving(answer) as receiver:
        job_id = client.diarize(media, webhook=receiver.url())
        until(lambda: len(receiver.requests) == 2 * requests_per_attempt)
        told = deliveries(receiver, secret)
    (first, body), (again, same_body) = told[0], told[-1]
    assert body == same_body == {"jobId": job_id, "status": "failed"}
    assert not {"x-retry-num", "x-retry-reason"} & first.keys()
    assert (again["x-retry-num"], again["x-retry-reason"]) == ("1", reason)

    # The next one is due a minute later, the one after that five minutes later.
    caller = service.keys.authenticate(key)

    def record() -> Any:
        (found,) = service.webhooks.deliveries(caller, job_id=job_id).items
        return service.webhooks.delivery(caller, found.id)

    until(lambda: len(record().attempts) == 2)
    delivery = record()
    assert delivery.state == "pending"
    last = delivery.attempts[-1]
    assert math.isclose(delivery.next_at - (last.started_at + last.duration_s), 60, abs_tol=30)


def test_the_programs_of_the_docs(
    server: Server, key: str, sample_wav: Path, tmp_path: Path
) -> None:
    """The second goes on with what the first has made."""
    shutil.copy(sample_wav, tmp_path / "meeting.wav")
    monologue = read_audio(sample_wav, start=21.8, end=28.4)
    (tmp_path / "sam.wav").write_bytes(wav(np.round(monologue * 32767).astype(np.int16), 16000))
    page = (Path(__file__).parents[2] / "docs/pyannoteai.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```python\n")[1:3]]
    program = "\n".join(blocks)
    program = program.replace("http://127.0.0.1:8000", server.url).replace("em_…", key)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    turns = [line.split() for line in done.stdout.splitlines()]
    diarized, identified = turns[: len(turns) // 2], turns[len(turns) // 2 :]
    assert {speaker for _, _, speaker in diarized} == {"SPEAKER_00", "SPEAKER_01"}
    named = {speaker for _, _, speaker in identified}
    assert "Sam" in named
    assert len(named - {"Sam"}) == 1


def test_a_key_that_is_none(connect: Callable[[Server, str], Client], idle: Server) -> None:
    with pytest.raises(requests.HTTPError, match="Failed to authenticate"):
        connect(idle, "sk_wrong")


def test_errors_as_the_client_sees_them(client: Client) -> None:
    with pytest.raises(requests.HTTPError) as caught:
        client.diarize("media://nothing-here")
    assert caught.value.response.status_code == 400
    assert caught.value.response.json()["errors"][0]["field"] == "url"

    with pytest.raises(requests.HTTPError) as caught:
        client.diarize("https://example.com/a.wav", transcription=True)
    assert "does not transcribe" in caught.value.response.text

    with pytest.raises(requests.HTTPError) as caught:
        client.voiceprint("media://nothing-here")
    assert caught.value.response.status_code == 400

    with pytest.raises(requests.HTTPError) as caught:
        client.retrieve("7b9cbb2f-50f6-44b4-8a40-2aa7ba3f0d4e")
    assert caught.value.response.status_code == 404


def test_a_job_that_was_canceled(
    connect: Callable[[Server, str], Client], idle: Server, sample_wav: Path
) -> None:
    key = idle.new_key("ann")
    client = connect(idle, key)
    job_id = client.diarize(client.upload(sample_wav))
    service = Service.open(Settings(data_dir=idle.data_dir))
    service.jobs.cancel(service.keys.authenticate(key), job_id)
    service.close()
    with pytest.raises(PyannoteAICanceledJob):
        client.retrieve(job_id, every_seconds=1)


def test_two_tenants_with_one_media_key(
    connect: Callable[[Server, str], Client], idle: Server, tmp_path: Path
) -> None:
    keys = [idle.new_key(tenant) for tenant in ("ben", "cat")]
    for each in keys:
        file = tmp_path / each
        file.write_text(f"of {each}")
        connect(idle, each).upload(file, media_url="media://same")
    for each in keys:
        headers = {"Authorization": f"Bearer {each}"}
        link = requests.post(
            f"{idle.url}/v1/media/output",
            json={"url": "media://same"},
            headers=headers,
            timeout=60,
        )
        assert link.status_code == 201
        assert requests.get(link.json()["url"], timeout=60).text == f"of {each}"


def test_that_refusals_carry_the_id_that_the_log_has(idle: Server) -> None:
    answer = requests.get(f"{idle.url}/v1/test", timeout=60)
    assert answer.status_code == 401
    assert answer.headers["X-RateLimit-Limit"] == "300"
    assert answer.json()["requestId"] == answer.headers["X-Request-ID"]

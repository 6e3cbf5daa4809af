"""Enrolling people, finding them in other recordings, and nobody else: DeepAffects over HTTP."""

from __future__ import annotations

import base64
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray

from earmark.service import Scope, Service
from earmark.settings import Settings
from people import RATE, People, wav_of
from raw_server import serve as receiving
from server import Server, running
from waiting import until

TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CONSENT = "I agree that my voice is recognised."
STRANGER = "UserNotIdentified"
FIELDS = {"speaker_id", "enrollment_complete", "total_speech_duration", "total_enroll_duration"}
FIELDS |= {"enroll_quality"}


class Client:
    """Somebody with a key, who sends what the vendor's pages show."""

    def __init__(self, server: Server, key: str) -> None:
        self._api, self._key = f"{server.url}/audio/generic/api", key

    def post(self, path: str, sound: bytes | None = None, **asked: Any) -> requests.Response:
        query: dict[str, Any] = {"apikey": self._key}
        query |= {name: asked.pop(name) for name in ("webhook", "request_id") if name in asked}
        if sound is not None:
            asked["content"] = base64.b64encode(sound).decode()
        fields: dict[str, Any] = {"encoding": "WAV", "sampleRate": RATE, "languageCode": "en-US"}
        fields |= asked
        return requests.post(self._api + path, params=query, json=fields, timeout=120)

    def get(self, path: str, **query: str) -> requests.Response:
        return requests.get(self._api + path, params={"api_key": self._key, **query}, timeout=60)

    def enroll(self, speaker_id: str, sound: bytes) -> dict[str, Any]:
        """The answer to a sample that is taken."""
        answer = self.post("/v2/sync/diarization/enroll", sound, speakerId=speaker_id)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        assert told.pop("message") == "Success"
        assert told.keys() == FIELDS
        assert told["speaker_id"] == speaker_id
        return told

    def identify(self, sound: bytes, *speaker_ids: str) -> list[dict[str, Any]]:
        answer = self.post("/v2/sync/diarization/identify", sound, speakerIds=speaker_ids)
        assert answer.status_code == 200, answer.text
        assert answer.json().keys() == {"segments"}
        segments: list[dict[str, Any]] = answer.json()["segments"]
        assert segments
        return segments

    def enrolled(self, **query: str) -> list[str]:
        answer = self.get("/v1/sync/diarization/get_enrolled_speakers", **query).json()
        assert answer.keys() == {"developer_id", "enrolled_speaker_ids"}
        assert all(each.keys() == FIELDS for each in answer["enrolled_speaker_ids"])
        return sorted(each["speaker_id"] for each in answer["enrolled_speaker_ids"])


def fault_of(
    answer: requests.Response, status: int, code: str = "com.deepaffects.BadRequest"
) -> str:
    """What a refusal says, once its shape has been looked at."""
    assert answer.status_code == status, answer.text
    fault = answer.json()["fault"]
    assert fault["detail"] == {"errorcode": code, "error_code": code}
    assert fault["faultstring"] == fault["fault_string"]
    message: str = fault["faultstring"]
    return message


def seconds(segments: list[dict[str, Any]], speaker_id: str, first: float, last: float) -> float:
    """How long a speaker's segments are between two times."""
    return math.fsum(
        max(0.0, min(last, each["end"]) - max(first, each["start"]))
        for each in segments
        if each["speaker_id"] == speaker_id
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_ALLOW_HTTP": "1",
        "EARMARK_ALLOW_ADDRESSES": "127.0.0.1",
        "EARMARK_STANDING_CONSENT": CONSENT,
    }
    with running(tmp_path_factory.mktemp("deepaffects"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    return server.new_key("testuser", (Scope.JOBS, Scope.GALLERIES))


@pytest.fixture(scope="module")
def client(server: Server, key: str) -> Client:
    return Client(server, key)


@pytest.fixture(scope="module")
def june(client: Client, people: People) -> str:
    """Somebody who is enrolled from one recording."""
    told = client.enroll("june", people.wav("june", 20.0))
    assert told["enrollment_complete"] is True
    assert 12 <= told["total_speech_duration"] <= told["total_enroll_duration"] == 20.0
    assert told["enroll_quality"] in {"poor", "average", "good", "high"}
    return "june"


@pytest.fixture(scope="module")
def conversation(people: People) -> bytes:
    """June for 15 s, in words of hers that nobody was enrolled with, then Carlo for 15 s."""
    parts = [people.samples("june", 15.0, part=1), people.samples("carlo", 15.0, part=1)]
    return wav_of(np.concatenate(parts))


@pytest.fixture(scope="module")
def segments(client: Client, june: str, conversation: bytes) -> list[dict[str, Any]]:
    """Whom the conversation is taken for."""
    return client.identify(conversation, june)


def test_that_an_enrolled_person_is_found_and_nobody_else(
    june: str, segments: list[dict[str, Any]]
) -> None:
    assert {each["speaker_id"] for each in segments} == {june, STRANGER}
    for each in segments:
        assert each.keys() == {"speaker_id", "start", "end"}
    assert seconds(segments, june, 0, 15) > 8
    assert seconds(segments, june, 15.5, 30) == 0
    assert seconds(segments, STRANGER, 15, 30) > 8
    assert seconds(segments, STRANGER, 0, 14.5) == 0


def test_that_strangers_are_nobody(client: Client, june: str, people: People) -> None:
    for stranger in ("allison", "ira"):
        segments = client.identify(people.wav(stranger, 10.0), june)
        assert {each["speaker_id"] for each in segments} == {STRANGER}


def test_a_webhook_is_told_the_same(
    client: Client, june: str, conversation: bytes, segments: list[dict[str, Any]]
) -> None:
    with receiving(TAKEN) as receiver:
        answer = client.post(
            "/v2/async/diarization/identify",
            conversation,
            speakerIds=[june],
            webhook=receiver.url("/hook?for=us"),
        )
        assert answer.status_code == 202, answer.text
        assert answer.json()["api"] == "/audio/generic/api/v2/async/diarization/identify"
        until(lambda: receiver.requests, what="the webhook")
        (request,) = receiver.requests
    told = json.loads(request.partition(b"\r\n\r\n")[2])
    assert request.startswith(b"POST /hook?for=us ")
    assert told == {
        "request_id": answer.json()["request_id"],
        "response": {"segments": segments},
    }


def test_a_recording_at_an_address(
    client: Client, june: str, conversation: bytes, segments: list[dict[str, Any]]
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(conversation)
    with receiving(head + conversation) as shop:
        answer = client.post(
            "/v1/sync/diarization/identify", url=shop.url("/call.wav"), speakerIds=[june]
        )
    assert answer.status_code == 200, answer.text
    assert answer.json()["segments"] == segments


def test_a_diarization_with_names(client: Client, june: str, conversation: bytes) -> None:
    answer = client.post("/v2/sync/diarize", conversation, speakerIds=[june], speakers=-1).json()
    assert answer["num_speakers"] == 2
    assert {each["speaker_id"] for each in answer["segments"]} == {june, "speaker1"}
    assert seconds(answer["segments"], june, 15.5, 30) == 0


def test_where_there_is_speech_music_and_noise(client: Client, people: People) -> None:
    silence = np.zeros(4 * RATE, np.int16)
    noise = np.random.default_rng(0).normal(0, 2000, 5 * RATE).astype(np.int16)
    parts = [silence, people.samples("june", 6.0), silence, melody(6.0), silence, noise]
    sound = wav_of(np.concatenate(parts))
    segments = client.post("/v1/sync/vad", sound, minNonSpeechDuration=3).json()["segments"]
    assert [each["tag"] for each in segments] == ["speech", "music", "noise"]
    for each, (start, end) in zip(segments, ((4, 10), (14, 20), (24, 29)), strict=True):
        assert abs(each["start"] - start) < 1.1
        assert abs(each["end"] - end) < 1.1
    assert len(client.post("/v1/sync/vad", sound).json()["segments"]) >= 3
    assert client.post("/v1/sync/vad", wav_of(silence)).json() == {"segments": []}


def melody(seconds: float) -> NDArray[np.int16]:
    """Two voices of plucked strings, four notes per second."""
    time = np.arange(round(seconds * RATE)) / RATE
    sound = np.zeros_like(time)
    scale = (261.6, 329.6, 392.0, 523.3, 440.0, 349.2, 293.7, 392.0)
    for i in range(round(4 * seconds)):
        since = time - i / 4
        for frequency in (scale[i % 8], scale[3 * i % 8] / 2):
            decay = np.where(since >= 0, np.exp(-7 * since.clip(0)), 0)
            sound += decay * sum(np.sin(2 * np.pi * frequency * k * since) / k for k in range(1, 6))
    return np.rint(4000 * sound).astype(np.int16)


def test_an_enrolment_in_several_calls(client: Client, june: str, people: People) -> None:
    first = client.enroll("ira", people.wav("ira", 9.0))
    assert first["enrollment_complete"] is False
    assert 6 <= first["total_speech_duration"] < 12
    assert first["total_enroll_duration"] == 9.0
    answer = client.post(
        "/v2/sync/diarization/identify", people.wav("ira", 8.0, part=1), speakerIds=[june, "ira"]
    )
    assert "the enrollment of speakerId 'ira' is not complete" in fault_of(answer, 400)
    assert client.enrolled() == [june]
    assert client.enrolled(getAllSpeakers="False") == [june]
    assert client.enrolled(getAllSpeakers="True") == ["ira", june]

    second = client.enroll("ira", people.wav("ira", 9.0, part=2))
    assert second["enrollment_complete"] is True
    assert second["total_speech_duration"] >= first["total_speech_duration"] + 6
    assert second["total_enroll_duration"] == 18.0
    status = client.get("/v2/sync/diarization/enroll", speakerId="ira")
    assert (status.status_code, status.json()) == (200, second)
    assert client.enrolled() == ["ira", june]
    found = client.identify(people.wav("ira", 12.0, part=1), june, "ira")
    assert {each["speaker_id"] for each in found} == {"ira"}


def test_the_answers_of_the_first_version(client: Client, people: People) -> None:
    for part, message in ((0, "Success"), (1, "Complete")):
        answer = client.post(
            "/v1/sync/diarization/enroll",
            people.wav("allison", 9.0, part=part),
            speakerId="allison_1",
        )
        assert (answer.status_code, answer.json()) == (200, {"message": message})


def test_that_the_deleted_are_found_no_more(client: Client, people: People) -> None:
    client.enroll("carlo", people.wav("carlo", 16.0))
    probe = people.wav("carlo", 10.0, part=1)
    assert {each["speaker_id"] for each in client.identify(probe, "carlo")} == {"carlo"}
    for message in ("Success", "Failure"):
        answer = client.post("/v1/sync/diarization/delete", speakerId="carlo")
        assert (answer.status_code, answer.json()) == (200, {"message": message})
    status = client.get("/v2/sync/diarization/enroll", speakerId="carlo")
    assert "'carlo' is not enrolled" in fault_of(status, 404, "com.deepaffects.NotFound")
    gone = client.post("/v2/sync/diarization/identify", probe, speakerIds=["carlo"])
    assert "'carlo' is not enrolled" in fault_of(gone, 400)
    again = client.enroll("carlo", people.wav("carlo", 8.0))
    assert again["total_enroll_duration"] == 8.0


def test_that_a_withdrawal_stands(client: Client, server: Server, key: str, people: People) -> None:
    client.enroll("withdrawn", people.wav("allison", 16.0, part=2))
    service = Service.open(Settings(data_dir=server.data_dir))
    try:
        caller = service.keys.authenticate(key)
        gallery = service.galleries.by_key(caller, "deepaffects", "speakers")
        speaker = service.speakers.by_key(caller, gallery.id, "withdrawn")
        (consent,) = service.speakers.consents(caller, speaker.id)
        assert (consent.subject, consent.text) == ("withdrawn", CONSENT)
        service.speakers.withdraw(caller, speaker.id)
    finally:
        service.close()
    found = client.identify(people.wav("allison", 10.0, part=3), "withdrawn")
    assert {each["speaker_id"] for each in found} == {STRANGER}
    refused = client.post(
        "/v2/sync/diarization/enroll",
        people.wav("allison", 8.0, part=3),
        speakerId="withdrawn",
    )
    assert "withdrawn their consent" in fault_of(refused, 403, "com.deepaffects.Forbidden")


def test_that_tenants_share_nobody(server: Server, june: str, people: People) -> None:
    other = Client(server, server.new_key("other", (Scope.JOBS, Scope.GALLERIES)))
    assert other.enrolled(getAllSpeakers="True") == []
    fault_of(
        other.get("/v2/sync/diarization/enroll", speakerId=june), 404, "com.deepaffects.NotFound"
    )
    sound = people.wav("june", 8.0, part=1)
    answer = other.post("/v2/sync/diarization/identify", sound, speakerIds=[june])
    assert "'june' is not enrolled" in fault_of(answer, 400)
    assert other.post("/v1/sync/diarization/delete", speakerId=june).json() == {
        "message": "Failure"
    }


def test_samples_that_nobody_is_enrolled_from(
    client: Client, people: People, conversation: bytes
) -> None:
    samples = {
        "Error in enroll: Insufficent speech content in audio": (
            wav_of(np.zeros(10 * RATE, np.int16)),
            people.wav("june", 4.0, part=3),
        ),
        "Error in enroll: More than one person": (conversation,),
        "": (b"These are only words. " * 500, people.wav("june", 3.0)[:30]),
    }
    for said, sounds in samples.items():
        for sound in sounds:
            answer = client.post("/v2/sync/diarization/enroll", sound, speakerId="nobody")
            assert fault_of(answer, 400).startswith(said)
    assert "nobody" not in client.enrolled(getAllSpeakers="True")
    status = client.get("/v2/sync/diarization/enroll", speakerId="nobody")
    fault_of(status, 404, "com.deepaffects.NotFound")


@pytest.mark.parametrize(
    "path", ["/v2/sync/diarization/enroll", "/v1/sync/vad", "/v1/sync/diarize"]
)
def test_that_answers_at_once_take_two_minutes(client: Client, people: People, path: str) -> None:
    answer = client.post(path, people.wav("june", 121.0), speakerId="long")
    assert "120" in fault_of(answer, 413, "com.deepaffects.TooLarge")


def test_the_program_of_the_docs(
    server: Server, key: str, people: People, tmp_path: Path, june: str
) -> None:
    (tmp_path / "ann.wav").write_bytes(people.wav("allison", 20.0))
    (tmp_path / "meeting.wav").write_bytes(people.wav("allison", 10.0, part=1))
    page = (Path(__file__).parents[2] / "docs/deepaffects.md").read_text(encoding="utf-8")
    rest = page.partition("## Real time")[0]
    program = rest.rpartition("```python\n")[2].partition("```")[0]
    program = program.replace("http://127.0.0.1:8000", server.url).replace("em_…", key)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    first, *segments = done.stdout.splitlines()
    assert "'enrollment_complete': True" in first
    assert {line.split()[2] for line in segments} == {"ann"}


def test_that_nothing_of_it_is_logged(server: Server, key: str, june: str) -> None:
    for secret in (key, june, "apikey", "speakerId"):
        assert secret not in server.log

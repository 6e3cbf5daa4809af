"""Every refusal of the Phonexia dialect, asked for as the vendor's guide does it."""

from __future__ import annotations

import json
import math
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests

from audio_samples import make
from earmark.errors import Kind
from earmark.service import JobError, Queue, Scope, Service
from earmark.service._sweeper import sweep
from earmark.settings import Settings
from earmark.voiceprints import Voiceprint
from server import Server, running

DIARIZATION = "/api/technology/speaker-diarization"
VOICE_ACTIVITY = "/api/technology/voice-activity-detection"
EXTRACTION = "/api/technology/speaker-identification-voiceprint-extraction"
COMPARISON = "/api/technology/speaker-identification-voiceprint-comparison"
GENDER = "/api/technology/gender-identification"
VOICEPRINT_GENDERS = "/api/technology/gender-identification-voiceprints"
MAX_BYTES = 200_000

HUM = make("wav-s16", 1.0)


def started(
    folder: Path, *, anonymous: bool = True, **settings: str
) -> AbstractContextManager[Server]:
    """A server that runs no task; by default it takes them of anybody."""
    if anonymous:
        settings["EARMARK_ANONYMOUS_TENANT"] = "calls"
    return running(folder, "--no-worker", settings=settings)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(
        tmp_path_factory.mktemp("phonexia"), EARMARK_MAX_UPLOAD_BYTES=str(MAX_BYTES)
    ) as server:
        yield server


@pytest.fixture
def service(server: Server) -> Iterator[Service]:
    """What the server's own worker would use: the same folder, from another process."""
    service = Service.open(Settings(data_dir=server.data_dir, anonymous_tenant="calls"))
    yield service
    service.close()


def post(server: Server, path: str = DIARIZATION, **request: Any) -> requests.Response:
    request.setdefault("files", {"file": ("a.wav", HUM)})
    return requests.post(server.url + path, timeout=30, **request)


def get(server: Server, path: str, **request: Any) -> requests.Response:
    return requests.get(server.url + path, timeout=30, **request)


def start(server: Server, path: str = DIARIZATION, **request: Any) -> str:
    """A task that was accepted: where it is."""
    answer = post(server, path, **request)
    assert answer.status_code == 202, answer.text
    return answer.headers["X-Location"]


def refused(answer: requests.Response, status: int, kind: str, message: str) -> list[Any]:
    """The details of an answer that is this refusal and nothing else."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Correlation-ID"]
    assert answer.headers["X-Request-ID"]
    body = answer.json()
    assert (body["type"], body["message"]) == (kind, message)
    assert set(body) == {"type", "message", "detail"}
    for entry in body["detail"]:
        assert set(entry) == {"location", "message", "type", "context"}
        assert all(isinstance(each, int | str) for each in entry["location"])
        assert all(isinstance(each, str | int | float) for each in entry["context"].values())
    details: list[Any] = body["detail"]
    return details


def not_valid(answer: requests.Response) -> list[tuple[list[Any], str]]:
    details = refused(answer, 422, "request.validation-error", "Request validation error.")
    return [(each["location"], each["type"]) for each in details]


def not_found(answer: requests.Response) -> list[Any]:
    return refused(answer, 404, "resource.not-found", "Resource not found.")


def test_a_body_that_cannot_be_parsed(server: Server) -> None:
    whole = requests.Request("POST", server.url, files={"file": ("a.wav", HUM)}).prepare()
    assert isinstance(whole.body, bytes)
    for body in (whole.body[:-4], b"no form at all"):
        answer = post(server, files=None, data=body, headers=dict(whole.headers))
        assert refused(answer, 400, "request.invalid", "Invalid request.") == []


def test_a_config_that_is_no_json(server: Server) -> None:
    answer = post(server, data={"config": "{max_speakers: 2}"})
    assert refused(answer, 400, "request.invalid", "Invalid request.") == []


@pytest.mark.parametrize("path", [DIARIZATION, VOICE_ACTIVITY, EXTRACTION])
@pytest.mark.parametrize(
    ("query", "location"),
    [
        ({"channel_mode": "left"}, ["query", "channel_mode"]),
        ({"channels": "0, 1"}, ["query", "channels"]),
        ({"range_from": "-1"}, ["query", "range_from"]),
        ({"range_to": "soon"}, ["query", "range_to"]),
        ({"range_from": "2", "range_to": "2"}, ["query"]),
    ],
)
def test_a_query_that_cannot_be(
    server: Server, path: str, query: dict[str, str], location: list[str]
) -> None:
    assert [where for where, _ in not_valid(post(server, path, params=query))] == [location]


@pytest.mark.parametrize("length", ["0", "-1", "inf", "some"])
def test_an_amount_of_speech_that_cannot_be(server: Server, length: str) -> None:
    """Of a gender identification; elsewhere the parameter means nothing."""
    asked = {"max_speech_length": length}
    told = not_valid(post(server, GENDER, params=asked))
    assert [where for where, _ in told] == [["query", "max_speech_length"]]
    start(server, params=asked)


def test_voiceprints_without_gender(server: Server) -> None:
    url = server.url + VOICEPRINT_GENDERS
    for sent, place in (
        ({}, ["body", "voiceprints"]),
        ({"voiceprints": []}, ["body", "voiceprints"]),
        ({"voiceprints": [voiceprint(), "x"]}, ["body", "voiceprints", 1]),
        ({"voiceprints": [voiceprint("xl-5.4.0")]}, ["body", "voiceprints", 0]),
    ):
        told = not_valid(requests.post(url, json=sent, timeout=30))
        assert [where for where, _ in told] == [place]


def voiceprint(model: str = "earmark-1") -> str:
    vector = np.linspace(-1, 1, 448, dtype=np.float32)
    return Voiceprint(vector=vector, model=model, net_speech_s=9.0).to_base64()


def compare(server: Server, **request: Any) -> requests.Response:
    return requests.post(server.url + COMPARISON, timeout=60, **request)


def test_voiceprints_that_cannot_be_compared(server: Server) -> None:
    good, foreign = voiceprint(), voiceprint("xl-5.4.0")
    sent = {"voiceprints_a": [good, foreign], "voiceprints_b": [good[:-8], good]}
    details = refused(
        compare(server, json=sent), 422, "request.validation-error", "Request validation error."
    )
    assert [(each["location"], each["type"]) for each in details] == [
        (["body", "voiceprints_a", 1], "voiceprint.model"),
        (["body", "voiceprints_b", 0], "voiceprint.invalid"),
    ]
    assert "xl-5.4.0" in details[0]["message"]
    assert "damaged" in details[1]["message"]


@pytest.mark.parametrize(
    ("a", "b", "entry"),
    [
        ([], ["x"], (["body", "voiceprints_a"], "too_short")),
        (["x"] * 50_001, ["x"], (["body", "voiceprints_a"], "too_long")),
        (["x"] * 1001, ["x"] * 1000, (["body"], "comparison.too-large")),
        (["x"], None, (["body", "voiceprints_b"], "list_type")),
    ],
)
def test_numbers_of_voiceprints_that_cannot_be(
    server: Server, a: Any, b: Any, entry: tuple[list[str], str]
) -> None:
    answer = compare(server, json={"voiceprints_a": a, "voiceprints_b": b})
    assert not_valid(answer) == [entry]


def test_a_comparison_that_is_no_json(server: Server) -> None:
    for request in ({"data": b"{"}, {"data": b""}, {"files": {"file": HUM}}):
        assert refused(compare(server, **request), 400, "request.invalid", "Invalid request.") == []


def test_a_comparison_that_is_too_long(server: Server) -> None:
    address = urlsplit(server.url)
    head = (
        f"POST {COMPARISON} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        "Content-Length: 150000000\r\nContent-Type: application/json\r\n\r\n"
    )
    assert address.hostname
    with socket.create_connection((address.hostname, address.port or 0), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_comparison_is_a_task_like_others(server: Server) -> None:
    sent = {"voiceprints_a": [voiceprint()], "voiceprints_b": [voiceprint()] * 2}
    once = {"Idempotency-Key": str(uuid.uuid4())}
    answers = [compare(server, json=sent, headers=once) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    location = answers[0].headers["X-Location"]
    assert location == answers[0].headers["Location"]
    assert location == f"{COMPARISON}/{answers[0].json()['task']['task_id']}"
    assert get(server, location).json()["task"]["state"] == "pending"
    assert get(server, location, headers={"X-API-Key": server.new_key("others")}).status_code == 404
    other = {**sent, "voiceprints_b": [voiceprint()]}
    assert compare(server, json=other, headers=once).status_code == 409


def test_two_limits_of_speakers_exclude_each_other(server: Server) -> None:
    both = {"config": json.dumps({"max_speakers": 3, "total_speakers": 2})}
    assert not_valid(post(server, data=both)) == [(["body", "config"], "config.mutually-exclusive")]


def test_a_number_of_speakers_that_cannot_be(server: Server) -> None:
    config = {"config": json.dumps({"max_speakers": 0})}
    (entry,) = not_valid(post(server, data=config))
    assert entry == (["body", "config", "max_speakers"], "greater_than")


@pytest.mark.parametrize(
    "request_",
    [
        {"files": {"sound": b"x"}},
        {"files": {"sound": b"\xff" * MAX_BYTES}},
        {"files": None},
        {"files": None, "json": {"file": 1}},
    ],
)
def test_a_request_without_a_recording(server: Server, request_: dict[str, Any]) -> None:
    assert not_valid(post(server, **request_)) == [(["body", "file"], "missing")]


def test_the_largest_recording_is_taken_and_one_byte_more_is_not(server: Server) -> None:
    start(server, files={"file": bytes(MAX_BYTES)})
    (entry,) = too_large(post(server, files={"file": bytes(MAX_BYTES + 1)}))
    assert entry["location"] == ["body", "file"]
    assert (entry["message"], entry["type"]) == ("Input media file too large.", "media.too-large")
    assert entry["context"]["file_size"] > MAX_BYTES
    assert entry["context"]["max_file_size"] == MAX_BYTES
    assert entry["context"]["size_unit"] == "bytes"


def test_a_recording_in_another_field_is_not_read_for_ever(server: Server) -> None:
    (entry,) = too_large(post(server, files={"sound": bytes(MAX_BYTES + 1)}))
    assert entry["context"]["max_file_size"] == MAX_BYTES


def too_large(answer: requests.Response) -> list[Any]:
    message = "Request size limit exceeded."
    return refused(answer, 413, "request.size-limit-exceeded", message)


def test_a_recording_of_unannounced_length_is_cut_off(server: Server) -> None:
    whole = requests.Request("POST", server.url, files={"file": bytes(MAX_BYTES + 1)}).prepare()
    assert isinstance(whole.body, bytes)
    kind = {"Content-Type": whole.headers["Content-Type"]}
    too_large(post(server, files=None, data=iter([whole.body]), headers=kind))


def test_an_announced_length_is_refused_before_it_comes(server: Server) -> None:
    address = urlsplit(server.url)
    assert address.hostname
    assert address.port
    head = (
        f"POST {DIARIZATION} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 900000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_full_disk(tmp_path: Path) -> None:
    with started(tmp_path, EARMARK_RESERVE_BYTES=str(1 << 60)) as full:
        answer = post(full)
    message = "Storage capacity exceeded."
    assert refused(answer, 507, "storage.capacity-exceeded", message) == []


def test_too_many_requests(tmp_path: Path) -> None:
    with started(tmp_path, EARMARK_RATE_LIMIT="1/100 second") as strict:
        location = start(strict)
        answer = post(strict)
        message = "Rate limit exceeded: 1 per 100 second."
        assert refused(answer, 429, "request.rate-limit-exceeded", message) == []
        assert answer.headers["x-ratelimit-limit"] == "1"
        assert answer.headers["x-ratelimit-remaining"] == "0"
        wait, reset = (int(answer.headers[name]) for name in ("retry-after", "x-ratelimit-reset"))
        assert 1 <= wait <= 100
        assert math.isclose(reset, time.time() + wait, abs_tol=60)
        # Each route and method is counted by itself.
        assert get(strict, location).status_code == 200
        assert get(strict, location).status_code == 429
        assert post(strict, VOICE_ACTIVITY).status_code == 202


@pytest.mark.parametrize(
    "path", [DIARIZATION, VOICE_ACTIVITY, EXTRACTION, COMPARISON, GENDER, VOICEPRINT_GENDERS]
)
def test_methods_that_there_are_not(server: Server, path: str) -> None:
    task = f"{path}/{uuid.uuid4()}"
    wrong = [(path, each) for each in ("GET", "PUT", "DELETE", "PATCH")]
    wrong += [(task, each) for each in ("POST", "PUT", "DELETE", "PATCH")]
    for where, method in wrong:
        answer = requests.request(method, server.url + where, timeout=30)
        assert refused(answer, 405, "method.invalid", "Invalid method.") == []
        assert answer.headers["Allow"] == ("POST" if where == path else "GET")
    for where in (path, task):
        assert requests.head(server.url + where, timeout=30).status_code == 405


def test_paths_that_there_are_not(server: Server) -> None:
    for path in ("/api/technology/speech-to-text", f"{DIARIZATION}/", "/api/technology/"):
        assert not_found(get(server, path)) == []


def test_a_task_id_that_is_none(server: Server) -> None:
    assert not_valid(get(server, f"{DIARIZATION}/7")) == [(["path", "task_id"], "uuid_parsing")]


def test_unknown_foreign_and_expired_tasks_are_alike(server: Server, service: Service) -> None:
    unknown = get(server, f"{DIARIZATION}/{uuid.uuid4()}")
    (entry,) = not_found(unknown)
    assert entry["location"] == ["path", "task_id"]
    location = start(server)
    assert get(server, location).status_code == 200
    other = server.new_key("others")
    foreign = get(server, location, headers={"X-API-Key": other})
    of_vad = get(server, location.replace(DIARIZATION, VOICE_ACTIVITY))
    end(service, location, Kind.INTERNAL)
    sweep(service, time.time() + 25 * 3600)
    expired = get(server, location)
    for answer in (foreign, of_vad, expired):
        assert (answer.status_code, answer.json()) == (404, unknown.json())


def end(service: Service, location: str, kind: Kind) -> None:
    """Run a task as a worker would that meets an error."""
    queue, task_id = Queue(service.store), location.rpartition("/")[2]
    while (job := queue.claim("a worker")) is not None and job.id != task_id:
        pass
    error = JobError(kind=kind, code="audio.empty", message="There is nothing in it.")
    assert queue.fail(task_id, "a worker", error)


def test_keys(server: Server) -> None:
    key = server.new_key("calls")
    useless = server.new_key("calls", [Scope.GALLERIES])
    location = start(server)
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
        assert get(server, location, headers=headers).status_code == 200
        start(server, headers=headers)
    for wrong in (useless, key[:-1], "x", "em_"):
        (entry,) = forbidden(get(server, location, headers={"X-API-Key": wrong}))
        assert entry["location"] == ["header", "Authorization"]
        forbidden(post(server, headers={"X-API-Key": wrong}))


def forbidden(answer: requests.Response) -> list[Any]:
    return refused(answer, 403, "request.forbidden", "Request is forbidden.")


def test_without_an_anonymous_tenant_a_key_is_needed(tmp_path: Path) -> None:
    with started(tmp_path, anonymous=False) as closed:
        forbidden(post(closed))
        forbidden(get(closed, f"{DIARIZATION}/{uuid.uuid4()}"))


def test_an_idempotency_key(server: Server) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = start(server, headers=headers)
    assert start(server, headers=headers) == first
    for other in ({"params": {"range_from": 0.5}}, {"data": {"config": '{"max_speakers": 2}'}}):
        answer = post(server, headers=headers, **other)
        (entry,) = refused(answer, 409, "request.invalid", "Invalid request.")
        assert entry["location"] == ["header", "Idempotency-Key"]
    blank = {"Idempotency-Key": "a" * 256}
    assert not_valid(post(server, headers=blank))[0][0] == ["header", "Idempotency-Key"]


def test_the_ids_of_a_request_come_back(server: Server) -> None:
    ids = {"X-Correlation-ID": "c1", "X-Request-ID": "r1"}
    answers = [
        post(server, headers=ids),
        post(server, headers=ids, params={"range_from": "x"}),
        get(server, f"{DIARIZATION}/{uuid.uuid4()}", headers=ids),
        get(server, DIARIZATION, headers=ids),
        get(server, "/api/technology/nothing", headers=ids),
    ]
    assert [each.status_code for each in answers] == [202, 422, 404, 405, 404]
    for answer in answers:
        assert {name: answer.headers[name] for name in ids} == ids
    made = [get(server, DIARIZATION).headers for _ in range(2)]
    for name in ids:
        assert made[0][name] != made[1][name]


def test_states_of_a_task(server: Server, service: Service) -> None:
    location = start(server)
    task_id = location.rpartition("/")[2]

    def shown() -> tuple[str, Any, Any]:
        body = get(server, location).json()
        assert body["task"]["task_id"] == task_id
        return body["task"]["state"], body["result"], body["error"]

    assert shown() == ("pending", None, None)
    while (job := Queue(service.store).claim("a worker")) is not None and job.id != task_id:
        pass
    assert shown() == ("running", None, None)
    error = JobError(kind=Kind.INTERNAL, code="audio.decoder", message="It crashed.")
    Queue(service.store).fail(task_id, "a worker", error)
    assert shown() == ("failed", None, {"type": "internal", "message": "It crashed.", "detail": []})

"""The pyannoteAI dialect over a real service, without a worker: the tests play the worker."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from earmark.dialects.pyannoteai import _requests, mounts
from earmark.diarization import Diarization, Turn
from earmark.errors import Kind, StorageUnavailable
from earmark.service import (
    Candidate,
    Identification,
    JobError,
    Named,
    NamedSpeaker,
    Queue,
    Scope,
    Service,
)
from earmark.service._sweeper import sweep
from earmark.settings import Settings
from earmark.voiceprints import Voiceprint

RESULT = Diarization(
    turns=(Turn(start=0.5, end=2.0, speaker="SPEAKER_00", confidence=0.9),),
    exclusive=(Turn(start=0.5, end=2.0, speaker="SPEAKER_00", confidence=0.9),),
    duration=3.0,
)
URL = "https://example.com/audio.wav"
SAM = {
    "label": "Sam",
    "voiceprint": Voiceprint(
        vector=np.linspace(-1, 1, 448, dtype=np.float32), model="earmark-1", net_speech_s=9.0
    ).to_base64(),
}
LIMITS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


class Desk:
    """A service behind a port of this machine, and clients with keys of its tenants."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._clients: list[httpx.Client] = []
        app = Starlette(routes=[Mount(prefix, app) for prefix, app in mounts(service).items()])
        config = uvicorn.Config(app, port=0, ws="none", lifespan="off", log_config=None)
        self._server = uvicorn.Server(config)
        self._socket = config.bind_socket()
        self._thread = Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def client(self, *scopes: Scope) -> httpx.Client:
        """A client with a key of a new tenant."""
        tenant = f"tenant-{len(self._clients)}"
        key = self.service.keys.create(tenant, scopes or (Scope.JOBS,), "test").token
        return self.anyone({"Authorization": f"Bearer {key}"})

    def anyone(self, headers: dict[str, str] | None = None) -> httpx.Client:
        self._clients.append(httpx.Client(base_url=self.url, headers=headers, timeout=60))
        return self._clients[-1]

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self.service.close()

    def succeed(self, job_id: str, document: bytes = RESULT.to_json().encode()) -> None:
        blob = f"results/{job_id}"
        self.service.store.blobs.put(blob, document)
        queue = self._begin(job_id)
        assert queue.succeed(job_id, "test", result_blob=blob, audio_s=3.0, timings={})

    def fail(self, job_id: str, message: str) -> None:
        error = JobError(kind=Kind.INVALID, code="audio.empty", message=message)
        assert self._begin(job_id).fail(job_id, "test", error)

    def _begin(self, job_id: str) -> Queue:
        queue = Queue(self.service.store)
        while (job := queue.claim("test")) is not None and job.id != job_id:
            pass  # what another test has left
        assert job is not None
        return queue


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Opens desks with the settings it is given."""
    with ExitStack() as desks:

        def open_desk(**settings: Any) -> Desk:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            chosen = Settings(data_dir=folder, **{"reserve_bytes": 0, **settings})
            return desks.enter_context(closing(Desk(Service.open(chosen))))

        yield open_desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), reserve_bytes=0)
    with closing(Desk(Service.open(settings))) as desk:
        yield desk


@pytest.fixture
def client(desk: Desk) -> httpx.Client:
    return desk.client()


def submit(client: httpx.Client, path: str = "/v1/diarize", **body: Any) -> str:
    answer = client.post(path, json={"url": URL, **body})
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"jobId", "status"}
    assert answer.json()["status"] == "created"
    return str(answer.json()["jobId"])


def upload(client: httpx.Client, key: str, data: bytes) -> None:
    link = client.post("/v1/media/input", json={"url": f"media://{key}"})
    assert link.status_code == 201
    assert client.put(link.json()["url"], content=data, headers={"Authorization": ""}).is_success


def download(client: httpx.Client, key: str) -> bytes:
    link = client.post("/v1/media/output", json={"url": f"media://{key}"})
    assert link.status_code == 201
    return client.get(link.json()["url"], headers={"Authorization": ""}).content


def ids(answer: Any) -> list[str]:
    return [row["id"] for row in answer.json()["items"]]


# Jobs


def test_the_life_of_a_job(desk: Desk, client: httpx.Client) -> None:
    job_id = submit(client, numSpeakers=2)
    waiting = client.get(f"/v1/jobs/{job_id}").json()
    assert waiting.keys() == {"jobId", "status", "createdAt", "updatedAt"}
    assert (waiting["jobId"], waiting["status"]) == (job_id, "created")
    assert waiting["createdAt"].endswith("Z")

    desk.succeed(job_id)
    done = client.get(f"/v1/jobs/{job_id}").json()
    assert done["status"] == "succeeded"
    assert done["output"] == {"diarization": [{"speaker": "SPEAKER_00", "start": 0.5, "end": 2.0}]}
    assert done["updatedAt"] >= waiting["updatedAt"] == waiting["createdAt"]


def test_that_the_output_shows_what_was_asked_for(desk: Desk, client: httpx.Client) -> None:
    job_id = submit(client, exclusive=True, turnLevelConfidence=True)
    desk.succeed(job_id)
    turn = {"speaker": "SPEAKER_00", "start": 0.5, "end": 2.0, "confidence": {"SPEAKER_00": 90}}
    assert client.get(f"/v1/jobs/{job_id}").json()["output"] == {
        "diarization": [turn],
        "exclusiveDiarization": [turn],
    }


def test_that_a_failed_job_says_why(desk: Desk, client: httpx.Client) -> None:
    job_id = submit(client)
    desk.fail(job_id, "There is no audio in it.")
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["output"]) == ("failed", {"error": "There is no audio in it."})


def test_that_a_canceled_job_has_no_output(desk: Desk, client: httpx.Client) -> None:
    job_id = submit(client)
    caller = desk.service.keys.authenticate(client.headers["Authorization"].split()[1])
    desk.service.jobs.cancel(caller, job_id)
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert job["status"] == "canceled"
    assert "output" not in job


def test_that_a_job_of_another_tenant_is_like_one_that_never_was(desk: Desk) -> None:
    ann, ben = desk.client(), desk.client()
    foreign, unknown = submit(ann), "00000000-0000-4000-8000-000000000000"
    answers = [ben.get(f"/v1/jobs/{job_id}") for job_id in (foreign, unknown)]
    assert [answer.status_code for answer in answers] == [404, 404]
    messages = [
        answer.json()["message"].replace(job_id, "it")
        for answer, job_id in zip(answers, (foreign, unknown), strict=True)
    ]
    assert messages[0] == messages[1]
    assert ids(ben.get("/v1/jobs")) == ids(ben.get("/v2/jobs")) == []


@pytest.mark.parametrize("job_id", ["x", "%00", "a" * 300, "..%2Ftest"])
def test_odd_job_ids(client: httpx.Client, job_id: str) -> None:
    assert client.get(f"/v1/jobs/{job_id}").status_code == 404


def test_that_a_request_that_comes_twice_counts_once(client: httpx.Client) -> None:
    once = {"Idempotency-Key": "night-7"}
    body = {"url": URL, "numSpeakers": 2}
    first, again, same = (
        client.post("/v1/diarize", json=each, headers=once)
        for each in (body, body, {"numSpeakers": 2, "url": URL, "maxSpeakers": None})
    )
    assert first.json() == again.json() == same.json()
    other = client.post("/v1/diarize", json={"url": URL}, headers=once)
    assert other.status_code == 409
    assert other.json().keys() == {"requestId", "message"}
    assert client.get("/v1/jobs").json()["total"] == 1


def test_the_life_of_an_identification(desk: Desk, client: httpx.Client) -> None:
    known = Candidate(speaker_id=None, label="Sam", cosine=0.7, llr=5.0, probability=0.99)
    named = Named(match=known, alternatives=(known,), margin=None, threshold=0.0)
    found = NamedSpeaker(speaker="SPEAKER_00", named=named, net_speech_s=1.5, quality=None)
    job_id = submit(client, "/v1/identify", voiceprints=[SAM])
    desk.succeed(job_id, Identification(diarization=RESULT, speakers=(found,)).to_json())
    turn = {"start": 0.5, "end": 2.0}
    assert client.get(f"/v1/jobs/{job_id}").json()["output"] == {
        "diarization": [{"speaker": "SPEAKER_00", **turn}],
        "identification": [
            {"speaker": "Sam", "diarizationSpeaker": "SPEAKER_00", "match": "Sam", **turn}
        ],
        "voiceprints": [{"speaker": "SPEAKER_00", "match": "Sam", "confidence": {"Sam": 99}}],
    }


def test_that_voiceprints_come_twice_and_count_once(client: httpx.Client) -> None:
    once = {"Idempotency-Key": "night-8"}
    body = {"url": URL, "voiceprints": [SAM]}
    first, again = (client.post("/v1/identify", json=body, headers=once) for _ in range(2))
    assert first.json() == again.json()
    other = client.post(
        "/v1/identify", json=body | {"voiceprints": [{**SAM, "label": "Rick"}]}, headers=once
    )
    assert other.status_code == 409
    assert client.post("/v1/diarize", json={"url": URL}, headers=once).status_code == 409


def test_that_voiceprints_are_not_stored_as_they_came(opened: Callable[..., Desk]) -> None:
    desk = opened()
    submit(desk.client(), "/v1/identify", voiceprints=[SAM])
    vector = base64.b64decode(SAM["voiceprint"])[200:240]
    for file in Path(desk.service.settings.data_dir).rglob("*"):
        if file.is_file():
            stored = file.read_bytes()
            assert vector not in stored, file
            assert SAM["voiceprint"][200:240].encode() not in stored, file


# Lists


def test_both_lists(desk: Desk, client: httpx.Client) -> None:
    newest_first = [submit(client) for _ in range(5)][::-1]
    desk.succeed(newest_first[-1])

    first = client.get("/v1/jobs", params={"take": 2, "skip": 1}).json()
    assert [row["id"] for row in first["items"]] == newest_first[1:3]
    assert first["total"] == 5
    assert first["items"][0].keys() == {"id", "status", "createdAt"}

    pages, cursor = [], None
    while True:
        page = client.get("/v2/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        pages.append(ids(page))
        assert page.json().keys() == {"items", "nextCursor"}
        cursor = page.json()["nextCursor"]
        if cursor is None:
            break
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:]]

    for version in ("v1", "v2"):
        for status, expected in {
            "created": newest_first[:4],
            "succeeded": newest_first[4:],
            "pending": [],
            "failed": [],
        }.items():
            assert ids(client.get(f"/{version}/jobs", params={"status": status})) == expected


def test_that_ten_jobs_are_listed_when_no_number_is_given(client: httpx.Client) -> None:
    jobs = [submit(client) for _ in range(11)]
    assert ids(client.get("/v1/jobs")) == ids(client.get("/v2/jobs")) == jobs[:0:-1]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/jobs?take=0", "take"),
        ("/v1/jobs?take=101", "take"),
        ("/v1/jobs?take=x", "take"),
        ("/v1/jobs?skip=-1", "skip"),
        ("/v1/jobs?skip=99999999999999999999", "skip"),
        ("/v1/jobs?status=done", "status"),
        ("/v2/jobs?limit=0", "limit"),
        ("/v2/jobs?limit=101", "limit"),
        ("/v2/jobs?status=", "status"),
        ("/v2/jobs?cursor=abc", "cursor"),
        ("/v2/jobs?cursor=%00", "cursor"),
    ],
)
def test_lists_that_cannot_be(client: httpx.Client, path: str, field: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 400
    assert answer.json()["message"] == "Invalid request"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


# Media


def test_that_what_was_put_can_be_fetched(client: httpx.Client) -> None:
    data = bytes(range(256)) * 9000  # 2.3 MB: more than is held at a time
    upload(client, "talks/monday.wav", data)
    assert download(client, "talks/monday.wav") == data
    upload(client, "talks/monday.wav", b"another one")
    assert download(client, "talks/monday.wav") == b"another one"
    submit(client, url="media://talks/monday.wav")


def test_that_links_lead_where_the_client_came_from(opened: Callable[..., Desk]) -> None:
    def link(desk: Desk) -> str:
        answer = desk.client().post("/v1/media/input", json={"url": "media://a"})
        return str(answer.json()["url"])

    desk = opened()
    assert link(desk).startswith(f"{desk.url}/v1/media/files/")
    proxied = opened(public_url="https://ear.example/x")
    assert link(proxied).startswith("https://ear.example/x/v1/media/files/")


def test_that_tenants_have_keys_of_their_own(desk: Desk) -> None:
    ann, ben = desk.client(), desk.client()
    upload(ann, "same", b"of ann")
    assert ben.post("/v1/media/output", json={"url": "media://same"}).status_code == 404
    refused = ben.post("/v1/diarize", json={"url": "media://same"})
    assert refused.status_code == 400
    assert [error["field"] for error in refused.json()["errors"]] == ["url"]
    upload(ben, "same", b"of ben")
    assert (download(ann, "same"), download(ben, "same")) == (b"of ann", b"of ben")


def test_that_a_link_is_for_one_thing(client: httpx.Client) -> None:
    upload(client, "a", b"x")
    into = client.post("/v1/media/input", json={"url": "media://a"}).json()["url"]
    out = client.post("/v1/media/output", json={"url": "media://a"}).json()["url"]
    for answer in (
        client.get(into),
        client.put(out, content=b"y"),
        client.get(out[:-4] + "AAAA"),
        client.get(out.rpartition("/")[0] + "/nonsense"),
    ):
        assert answer.status_code == 403
        assert answer.json().keys() == {"requestId", "message"}
    assert client.delete(out).status_code == 405
    assert download(client, "a") == b"x"


def test_that_a_link_ends_with_the_key_it_was_made_with(desk: Desk) -> None:
    client = desk.client()
    upload(client, "a", b"x")
    into = client.post("/v1/media/input", json={"url": "media://a"}).json()["url"]
    out = client.post("/v1/media/output", json={"url": "media://a"}).json()["url"]
    for key in desk.service.keys.list():
        desk.service.keys.revoke(key.id)
    assert client.get(out).status_code == 401
    assert client.put(into, content=b"y").status_code == 401


@pytest.mark.parametrize("url", ["media://", "media://a b", "media://ä", "https://x.example/a", 7])
@pytest.mark.parametrize("path", ["/v1/media/input", "/v1/media/output"])
def test_what_is_no_media_url(client: httpx.Client, path: str, url: Any) -> None:
    answer = client.post(path, json={"url": url})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["url"]


def test_a_recording_that_is_too_long(opened: Callable[..., Desk]) -> None:
    client = opened(max_upload_bytes=1000).client()
    upload(client, "a", b"x" * 1000)
    link = client.post("/v1/media/input", json={"url": "media://a"}).json()["url"]
    for content in (b"x" * 1001, iter([b"x" * 600, b"x" * 401])):
        answer = client.put(link, content=content)
        assert answer.status_code == 413
        assert answer.json().keys() == {"requestId", "message"}
    assert download(client, "a") == b"x" * 1000


def test_a_disk_without_room(opened: Callable[..., Desk]) -> None:
    client = opened(reserve_bytes=1 << 62).client()
    link = client.post("/v1/media/input", json={"url": "media://a"}).json()["url"]
    answer = client.put(link, content=b"x")
    assert answer.status_code == 507
    assert answer.json().keys() == {"requestId", "message"}


# Requests that are refused


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": None}, "url"),
        ({"url": ""}, "url"),
        ({"url": "ftp://example.com/a.wav"}, "url"),
        ({"url": "http://example.com/a.wav"}, "url"),
        ({"url": "https://127.0.0.1/a.wav"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "media://nothing-here"}, "url"),
        ({"url": "media://a b"}, "url"),
        ({"url": URL, "webhook": "http://example.com/hook"}, "webhook"),
        ({"url": URL, "webhook": "https://10.0.0.1/hook"}, "webhook"),
        ({"url": URL, "webhook": "nonsense"}, "webhook"),
        ({"url": URL, "numSpeakers": 0}, "numSpeakers"),
        ({"url": URL, "minSpeakers": 3, "maxSpeakers": 2}, "maxSpeakers"),
        ({"url": URL, "model": "best"}, "model"),
        ({"url": URL, "transcription": True}, "transcription"),
        ([], "body"),
        (None, "body"),
    ],
)
def test_diarizations_that_cannot_be(client: httpx.Client, body: Any, field: str) -> None:
    answer = client.post("/v1/diarize", json=body)
    assert answer.status_code == 400
    assert answer.json().keys() == {"message", "errors"}
    assert answer.json()["message"] == "Invalid request"
    ((error),) = answer.json()["errors"]
    assert error["field"] == field
    assert error["message"]
    assert client.get("/v1/jobs").json()["total"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b'{"url": ', "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 100_000, "body"),
        (b'{"url": "https://example.com/a", "numSpeakers": ' + b"9" * 6000 + b"}", "body"),
        (rb'{"url": "https://example.com/\ud800"}', "url"),
        (rb'{"url": "media://\u0000"}', "url"),
        (rb'{"url": "https://example.com/a", "webhook": "https://example.com/\ud800"}', "webhook"),
    ],
)
def test_bodies_made_to_break_things(client: httpx.Client, body: bytes, field: str) -> None:
    answer = client.post("/v1/diarize", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["message"] == "Invalid request"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "voiceprints"),
        ({"voiceprints": [{**SAM, "label": str(i)} for i in range(51)]}, "voiceprints"),
        ({"voiceprints": [SAM, SAM]}, "voiceprints"),
        ({"voiceprints": [{**SAM, "label": "Speaker_1"}]}, "voiceprints.0.label"),
        ({"voiceprints": [SAM, {"label": "Rick"}]}, "voiceprints.1.voiceprint"),
        ({"voiceprints": [SAM, {"label": "R", "voiceprint": "AAA="}]}, "voiceprints.1.voiceprint"),
        ({"voiceprints": [SAM], "matching": {"threshold": 101}}, "matching.threshold"),
        ({"voiceprints": [SAM], "minSpeakers": 3, "maxSpeakers": 2}, "maxSpeakers"),
        ({"voiceprints": [SAM], "url": "https://127.0.0.1/a.wav"}, "url"),
        ({"voiceprints": [SAM], "webhook": "nonsense"}, "webhook"),
    ],
)
def test_identifications_that_cannot_be(client: httpx.Client, body: Any, field: str) -> None:
    answer = client.post("/v1/identify", json={"url": URL, **body})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert SAM["voiceprint"][200:240] not in answer.text
    assert client.get("/v1/jobs").json()["total"] == 0


def test_a_recording_that_is_too_large_for_a_voiceprint(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_requests, "MAX_VOICEPRINT_BYTES", 1000)
    upload(client, "a", b"x" * 1000)
    submit(client, "/v1/voiceprint", url="media://a")
    upload(client, "a", b"x" * 1001)
    answer = client.post("/v1/voiceprint", json={"url": "media://a"})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["url"]


def test_a_body_of_another_type(client: httpx.Client) -> None:
    answer = client.post("/v1/diarize", data={"url": URL})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["field"] == "body"
    assert "Content-Type: application/json" in error["message"]


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_what_is_no_idempotency_key(client: httpx.Client, key: str) -> None:
    answer = client.post("/v1/diarize", json={"url": URL}, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/test"),
        ("POST", "/v1/diarize"),
        ("POST", "/v1/media/input"),
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/x"),
        ("GET", "/v2/jobs"),
        ("GET", "/v1/nowhere"),
    ],
)
def test_that_nothing_opens_without_a_key(
    desk: Desk, headers: dict[str, str], method: str, path: str
) -> None:
    answer = desk.anyone(headers).request(method, path, content=b"{")
    assert answer.status_code == 401
    assert answer.json().keys() == {"requestId", "message"}
    assert answer.headers["www-authenticate"] == "Bearer"
    assert all(name in answer.headers for name in LIMITS)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/diarize", {"url": URL}),
        ("POST", "/v1/voiceprint", {"url": URL}),
        ("POST", "/v1/identify", {"url": URL, "voiceprints": [SAM]}),
        ("POST", "/v1/media/input", {"url": "media://a"}),
        ("POST", "/v1/media/output", {"url": "media://a"}),
        ("GET", "/v1/jobs", None),
        ("GET", "/v1/jobs/x", None),
        ("GET", "/v2/jobs", None),
    ],
)
def test_that_a_key_for_something_else_does_not_do(
    desk: Desk, method: str, path: str, body: Any
) -> None:
    client = desk.client(Scope.LIVE)
    assert client.get("/v1/test").status_code == 200
    answer = client.request(method, path, json=body)
    assert answer.status_code == 403
    assert answer.json().keys() == {"requestId", "message"}


def test_paths_and_methods_that_are_not_there(client: httpx.Client) -> None:
    for answer, status in (
        (client.get("/v1/nowhere"), 404),
        (client.post("/v2/diarize", json={}), 404),
        (client.get("/v1/diarize"), 405),
        (client.delete("/v1/jobs/x"), 405),
    ):
        assert answer.status_code == status
        assert answer.json().keys() == {"requestId", "message"}
        assert all(name in answer.headers for name in LIMITS)


@pytest.mark.parametrize("content", [b" " * ((2 << 20) + 1), iter([b" " * (2 << 20), b" "])])
def test_a_body_that_is_too_long(client: httpx.Client, content: Any) -> None:
    answer = client.post(
        "/v1/diarize", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json().keys() == {"requestId", "message"}
    assert all(name in answer.headers for name in LIMITS)


def test_a_service_that_drains(opened: Callable[..., Desk]) -> None:
    desk = opened()
    client = desk.client()
    job_id = submit(client)
    desk.service.drain()
    answer = client.post("/v1/diarize", json={"url": URL})
    assert answer.status_code == 503
    assert answer.json().keys() == {"requestId", "message"}
    assert client.get(f"/v1/jobs/{job_id}").status_code == 200


# Retention


def test_that_a_job_is_gone_a_day_after_its_end(desk: Desk, client: httpx.Client) -> None:
    done, waiting = submit(client), submit(client)
    desk.succeed(done)
    day = 24 * 3600.0
    sweep(desk.service, time.time() + day - 60)
    assert client.get(f"/v1/jobs/{done}").status_code == 200
    sweep(desk.service, time.time() + day + 60)
    answers = [client.get(f"/v1/jobs/{job}") for job in (done, "never-was")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["message"] == answers[1].json()["message"].replace("never-was", done)
    assert ids(client.get("/v1/jobs")) == ids(client.get("/v2/jobs")) == [waiting]


def test_that_media_are_gone_after_their_time(opened: Callable[..., Desk]) -> None:
    client = opened(pyannoteai_media_retention_s=1e-6).client()
    upload(client, "a", b"x")
    for path, status in (("/v1/media/output", 404), ("/v1/diarize", 400)):
        assert client.post(path, json={"url": "media://a"}).status_code == status


# Rate limits


def test_that_the_rate_limit_is_told_and_kept(opened: Callable[..., Desk]) -> None:
    desk = opened(pyannoteai_rate_limit_submit="2/hour", pyannoteai_rate_limit_read="4/hour")
    ann, ben = desk.client(), desk.client()
    answers = [ann.post("/v1/diarize", json={"url": each}) for each in (URL, "x", URL, URL)]
    assert [answer.status_code for answer in answers] == [200, 400, 429, 429]
    assert [answer.headers["x-ratelimit-limit"] for answer in answers] == ["2"] * 4
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == list("1000")
    assert all(0 < int(answer.headers["x-ratelimit-reset"]) <= 3600 for answer in answers)
    assert 0 < int(answers[2].headers["retry-after"]) <= 3600
    assert "retry-after" not in answers[1].headers
    assert answers[2].json().keys() == {"requestId", "message"}

    # Other endpoints and other tenants are counted by themselves.
    assert ann.post("/v1/media/input", json={"url": "media://a"}).status_code == 201
    assert ben.post("/v1/diarize", json={"url": URL}).status_code == 200
    reads = [ann.get(f"/v1/jobs/{each}").status_code for each in "abcde"]
    assert reads == [404] * 4 + [429]
    assert ann.get("/v1/jobs").headers["x-ratelimit-remaining"] == "3"
    assert ann.get("/v2/jobs").headers["x-ratelimit-remaining"] == "3"
    assert ann.get("/v1/test").headers["x-ratelimit-limit"] == "4"


def test_that_guessing_keys_is_limited_and_harms_nobody_else(opened: Callable[..., Desk]) -> None:
    desk = opened(pyannoteai_rate_limit_read="3/hour")
    guesses = [
        desk.anyone({"Authorization": f"Bearer em_{guess}"}).get("/v1/test").status_code
        for guess in range(5)
    ]
    assert guesses == [401, 401, 401, 429, 429]
    assert desk.client().get("/v1/test").status_code == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [(StorageUnavailable("The blob store does not answer."), 503), (RuntimeError("a bug"), 500)],
)
def test_failures_of_the_server_itself(
    desk: Desk, client: httpx.Client, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    job_id = submit(client)
    desk.succeed(job_id)

    def broken(_: object) -> bytes:
        raise error

    monkeypatch.setattr(desk.service.jobs, "document", broken)
    answer = client.get(f"/v1/jobs/{job_id}")
    assert answer.status_code == status
    assert answer.json().keys() == {"requestId", "message"}
    assert "bug" not in answer.text
    assert all(name in answer.headers for name in LIMITS)

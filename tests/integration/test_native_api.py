"""Earmark's own API against a running server: jobs, results, events, uploads, tenants, keys."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from earmark.dialects._http import MAX_JSON_BYTES
from earmark.diarization import FORMATS, Diarization, SpeechActivity
from earmark.service import Scope
from earmark.voiceprints import DEFAULT_MODEL
from server import Server, running
from waiting import until

API = "/api/v1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {"EARMARK_MODELS_DIR": str(models_dir), "EARMARK_MAX_UPLOAD_BYTES": "2000000"}
    with running(tmp_path_factory.mktemp("native"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which jobs stay queued."""
    limited = {"EARMARK_RATE_LIMIT": "50/minute"}
    with running(tmp_path_factory.mktemp("idle"), "--no-worker", settings=limited) as server:
        yield server


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        client.base_url = client.base_url.join(API)
        yield client


def _client(server: Server, key: str | None = None) -> httpx.Client:
    client = server.client(key)
    client.base_url = client.base_url.join(API)
    return client


def _done(http: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    def over() -> bool:
        job.update(http.get(f"/jobs/{job['id']}").json())
        return job["state"] not in ("queued", "running")

    until(over, within_s=120, what="the end of a job")
    return job


def _refused(answer: httpx.Response, status: int, code: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"urn:earmark:problem:{code}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    return str(problem["detail"])


@pytest.fixture(scope="module")
def diarized(server: Server, sample_wav: Path) -> dict[str, Any]:
    with _client(server) as http, sample_wav.open("rb") as file:
        form = {"max_speakers": "3", "confidence": "true", "priority": "high"}
        answer = http.post("/diarizations", data=form, files={"file": ("call.wav", file)})
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        assert answer.headers["location"] == job["links"]["self"]
        assert job["options"] == {"max_speakers": 3, "confidence": True}
        return _done(http, job)


def test_a_form_becomes_a_job_and_a_result(http: httpx.Client, diarized: dict[str, Any]) -> None:
    assert diarized["schema"] == "earmark.job/1"
    assert (diarized["state"], diarized["stage"], diarized["progress"]) == (
        "succeeded",
        "done",
        100,
    )
    assert diarized["audio_s"] == pytest.approx(30, abs=0.1)
    assert diarized["name"] == "call.wav"
    document = http.get(diarized["links"]["result"]).json()
    assert document["schema"] == "earmark.diarization/1"
    assert len(document["speakers"]) == 2
    assert document["confidence"]["values"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_result_comes_in_every_format(
    name: str, http: httpx.Client, diarized: dict[str, Any]
) -> None:
    at = diarized["links"]["result"]
    result = Diarization.from_json(http.get(at).content)
    by_name = http.get(at, params={"format": name, "exclusive": "true"})
    kind = by_name.headers["content-type"].partition(";")[0]
    if name != "json":
        assert by_name.text == FORMATS[name].write(result, True)
        assert http.get(at, params={"format": name}).text == FORMATS[name].write(result, False)
    by_kind = http.get(at, params={"exclusive": "true"}, headers={"Accept": f"{kind}, */*;q=0.1"})
    assert by_kind.content == by_name.content
    etag = by_name.headers["etag"]
    again = http.get(
        at, params={"format": name, "exclusive": "true"}, headers={"If-None-Match": f'"x", {etag}'}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_a_format_that_there_is_not_is_refused(
    http: httpx.Client, diarized: dict[str, Any]
) -> None:
    at = diarized["links"]["result"]
    assert "textgrid" in _refused(http.get(at, params={"format": "elan"}), 422, "input.option")
    picture = http.get(at, headers={"Accept": "image/png, application/json;q=0"})
    assert "text/vtt" in _refused(picture, 406, "result.format")


def test_voice_activity_of_an_uploaded_recording(http: httpx.Client, sample_wav: Path) -> None:
    data = sample_wav.read_bytes()
    size, part = len(data), 300_000
    asked = {"size": size, "name": "call.wav", "part_size": part}
    made = http.post("/uploads", json=asked, headers={"Idempotency-Key": "an upload"})
    assert made.status_code == 201, made.text
    again = http.post("/uploads", json=asked, headers={"Idempotency-Key": "an upload"})
    assert again.headers["idempotency-replayed"] == "true"
    upload = made.json()
    assert again.json() == upload
    at = f"/uploads/{upload['id']}"
    pieces = {i + 1: data[i * part : (i + 1) * part] for i in range(upload["parts_total"])}
    wrong = {"X-Content-SHA256": "0" * 64}
    _refused(http.put(f"{at}/parts/1", content=pieces[1], headers=wrong), 422, "input.invalid")
    for number in sorted(pieces, reverse=True)[:-1]:
        digest = base64.b64encode(hashlib.sha256(pieces[number]).digest()).decode()
        sent = http.put(
            f"{at}/parts/{number}",
            content=pieces[number],
            headers={"Content-Digest": f"sha-256=:{digest}:"},
        )
        assert sent.status_code == 200, sent.text
    _refused(http.post(f"{at}/complete"), 409, "resource.conflict")
    there = [each["number"] for each in http.get(at).json()["received"]]
    assert there == sorted(pieces)[1:]
    assert http.put(f"{at}/parts/1", content=pieces[1]).status_code == 200
    media = http.post(f"{at}/complete").json()
    assert media["sha256"] == hashlib.sha256(data).hexdigest()
    assert http.post(f"{at}/complete").json() == media
    assert http.get(f"/media/{media['id']}").json() == media
    job = http.post("/voice-activities", json={"media": media["id"], "start": 5}).json()
    assert _done(http, job)["state"] == "succeeded"
    result = SpeechActivity.from_json(http.get(job["links"]["result"]).content)
    assert result.start_s == 5
    csv = http.get(job["links"]["result"], params={"format": "csv"}).text
    assert csv == result.to_csv()
    none = http.get(job["links"]["result"], params={"format": "srt"})
    assert "audacity" in _refused(none, 422, "input.option")
    assert http.delete(f"/media/{media['id']}").status_code == 204
    _refused(http.get(f"/media/{media['id']}"), 404, "resource.not_found")


def test_the_events_of_a_job_tell_its_story(http: httpx.Client, sample_wav: Path) -> None:
    with sample_wav.open("rb") as file:
        job = http.post("/diarizations", files={"file": ("other.wav", file)}).json()
    with http.stream("GET", job["links"]["events"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        text = "".join(stream.iter_text())
    events = [
        dict(line.split(": ", 1) for line in block.splitlines())
        for block in text.split("\n\n")
        if "event: " in block
    ]
    told = [(each["event"], json.loads(each["data"])) for each in events]
    assert told[0][0] == "state"
    assert told[-1] == ("closing", {"schema": "earmark.closing/1", "reason": "finished"})
    assert told[-2][1]["state"] == "succeeded"
    percents = [data["progress"] for _, data in told[:-1]]
    assert percents == sorted(percents)
    last = {"Last-Event-ID": events[-2]["id"]}
    assert http.get(job["links"]["events"], headers=last).status_code == 204
    odd = {"Last-Event-ID": "no such event"}
    assert "succeeded" in http.get(job["links"]["events"], headers=odd).text


def test_a_stream_of_events_is_closed_with_a_reason(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as server, _client(server) as http:
        remote = {"url": "https://example.com/a.wav"}
        deleted, drained = (http.post("/diarizations", json=remote).json() for _ in range(2))
        reasons = []
        for job, end in (
            (deleted, lambda: http.delete(deleted["links"]["self"])),
            (drained, lambda: server.process.terminate()),
        ):
            with http.stream("GET", job["links"]["events"]) as stream:
                lines = stream.iter_lines()
                assert "event: state" in (next(lines) for _ in range(6))
                end()
                (closing,) = [line for line in lines if '"earmark.closing/1"' in line]
                reasons.append(json.loads(closing.removeprefix("data: "))["reason"])
        assert reasons == ["deleted", "draining"]
        assert server.process.wait(60) == 0


def test_a_job_that_fails_says_why(http: httpx.Client) -> None:
    job = http.post("/diarizations", files={"file": ("notes.wav", b"not a recording" * 99)}).json()
    done = _done(http, job)
    assert done["state"] == "failed"
    assert done["error"]["code"] == "audio.unsupported"
    said = _refused(http.get(job["links"]["result"]), 409, "audio.unsupported")
    assert said == done["error"]["message"]


def test_a_recording_that_is_too_large_is_refused(http: httpx.Client) -> None:
    files = {"file": ("big.wav", bytes(2_000_001))}
    _refused(http.post("/diarizations", files=files), 413, "media.too_large")
    most = {"file": ("most.wav", bytes(2_000_000))}
    assert http.post("/diarizations", files=most).status_code == 202
    _refused(http.post("/uploads", json={"size": 2_000_001}), 413, "media.too_large")
    assert http.post("/uploads", json={"size": 2_000_000}).status_code == 201


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"speaker": "2"}, "There is no field 'speaker'."),
        ({"url": "https://example.com/a.wav"}, "There is no field 'url'."),
        ({"speakers": "two"}, "speakers='two'"),
        ({"speakers": "0"}, "speakers='0'"),
        ({"speakers": "2", "max_speakers": "3"}, "exact number"),
        ({"min_speakers": "4", "max_speakers": "3"}, "min_speakers=4"),
        ({"start": "9", "end": "3"}, "start=9.0 has to be before end=3.0"),
        ({"start": "nan"}, "start='nan'"),
        ({"channels": "left"}, "take 'mix', 'split'"),
        ({"webhook": "ftp://example.com"}, "webhook='ftp"),
        ({"webhook": "https://127.0.0.1/"}, "127.0.0.1"),
    ],
)
def test_a_form_and_json_refuse_the_same(fields: dict[str, str], said: str, server: Server) -> None:
    with _client(server) as http:
        form = http.post("/diarizations", data=fields, files={"file": ("a.wav", b"RIFF")})
        assert form.status_code == 422
        assert said in form.json()["detail"]
        if "url" in fields:
            return
        values = {name: _json_value(value) for name, value in fields.items()}
        body = {"url": "https://example.com/a.wav", **values}
        remote = http.post("/diarizations", json=body)
        assert remote.status_code == 422
        assert remote.json()["code"] == form.json()["code"]
        assert http.get("/jobs", params={"state": "queued"}).json()["total"] == 0


def _json_value(value: str) -> object:
    return int(value) if value.isdigit() else value


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {"Content-Type": "application/json"}, 422),
        (
            b'{"url": "https://e.example/a", "media": "x"}',
            {"Content-Type": "application/json"},
            422,
        ),
        (b"{}", {"Content-Type": "application/json"}, 422),
        (b'{"media": "unknown"}', {"Content-Type": "application/json"}, 404),
        (b" " * MAX_JSON_BYTES, {"Content-Type": "application/json"}, 422),
        (b" " * (MAX_JSON_BYTES + 1), {"Content-Type": "application/json"}, 413),
        (b"RIFF", {"Content-Type": "audio/wav"}, 415),
        (b"--x--", {"Content-Type": "multipart/form-data; boundary=x"}, 422),
    ],
)
def test_a_body_that_is_none_is_refused(
    content: bytes, headers: dict[str, str], status: int, http: httpx.Client
) -> None:
    answer = http.post("/diarizations", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/diarizations"),
        ("POST", "/uploads"),
        ("POST", "/webhooks"),
        ("PATCH", "/webhooks/1"),
        ("PATCH", "/tenant"),
        ("POST", "/keys"),
    ],
)
def test_a_body_without_end_is_refused_before_it_is_gathered(
    method: str, path: str, http: httpx.Client, server: Server
) -> None:
    def endless() -> Iterator[bytes]:
        yield b'"'
        for _ in range(1 << 16):  # 4 GiB: more than the test would live to send
            yield b"a" * (64 << 10)

    headers = {"Content-Type": "application/json"}
    with httpx.Client(base_url=server.url + API, trust_env=False) as stranger:
        answer = stranger.request(method, path, content=endless(), headers=headers)
        _refused(answer, 401, "key.unknown")
    answer = http.request(method, path, content=endless(), headers=headers)
    assert f"at most {MAX_JSON_BYTES} bytes" in _refused(answer, 413, "http.too_large")


def test_a_list_goes_on_where_its_cursor_says(http: httpx.Client, diarized: dict[str, Any]) -> None:
    for _ in range(3):
        http.post("/voice-activities", files={"file": ("x.wav", b"no")})
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = http.get("/jobs", params={"limit": 2, **cursor}).json()
        seen += [job["id"] for job in page["items"]]
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert len(seen) == len(set(seen)) == page["total"]
    assert diarized["id"] in seen
    chosen = http.get("/jobs", params=[("kind", "diarize"), ("state", "succeeded")]).json()
    assert {job["kind"] for job in chosen["items"]} == {"diarize"}
    _refused(http.get("/jobs", params={"cursor": "nonsense"}), 422, "input.option")


def test_a_job_that_waits_can_be_canceled_and_deleted(idle: Server) -> None:
    with _client(idle) as http:
        job = http.post("/diarizations", json={"url": "https://example.com/a.wav"}).json()
        _refused(http.get(job["links"]["result"]), 409, "job.not_finished")
        canceled = http.post(job["links"]["cancel"])
        assert canceled.json()["state"] == "canceled"
        assert http.post(job["links"]["cancel"]).json() == canceled.json()
        assert http.delete(job["links"]["self"]).status_code == 204
        for method in ("GET", "DELETE"):
            _refused(http.request(method, job["links"]["self"]), 404, "resource.not_found")


def test_a_request_with_a_key_counts_once(idle: Server) -> None:
    key = {"Idempotency-Key": "one job"}
    with _client(idle) as http:
        files = {"file": ("a.wav", b"abc")}
        first = http.post("/diarizations", data={"speakers": "2"}, files=files, headers=key)
        again = http.post("/diarizations", data={"speakers": "2"}, files=files, headers=key)
        assert again.json()["id"] == first.json()["id"]
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        other = http.post("/diarizations", data={"speakers": "3"}, files=files, headers=key)
        _refused(other, 409, "idempotency.conflict")
        remote = {"url": "https://example.com/a.wav"}
        _refused(http.post("/diarizations", json=remote, headers=key), 409, "idempotency.conflict")
        _refused(http.post("/uploads", json={"size": 1}, headers=key), 409, "idempotency.conflict")
    # Of three recordings that were sent, the one that a job needs is kept.
    assert len(list(idle.data_dir.glob("blobs/media/*/*"))) == 1


def test_a_foreign_id_answers_as_an_unknown_one(idle: Server) -> None:
    stranger = idle.new_key("stranger")
    with _client(idle) as http:
        job = http.post("/diarizations", json={"url": "https://example.com/a.wav"}).json()
        upload = http.post("/uploads", json={"size": 10}).json()
    with _client(idle, stranger) as http:
        for method, path, mine in (
            ("GET", "/jobs/{}", job["id"]),
            ("GET", "/jobs/{}/result", job["id"]),
            ("GET", "/jobs/{}/events", job["id"]),
            ("POST", "/jobs/{}/cancel", job["id"]),
            ("DELETE", "/jobs/{}", job["id"]),
            ("GET", "/uploads/{}", upload["id"]),
            ("PUT", "/uploads/{}/parts/1", upload["id"]),
            ("POST", "/uploads/{}/complete", upload["id"]),
            ("DELETE", "/uploads/{}", upload["id"]),
        ):
            unknown = mine[:-4] + ("0000" if not mine.endswith("0000") else "1111")
            answers = [
                http.request(method, path.format(each), headers={"X-Request-ID": "same"})
                for each in (mine, unknown)
            ]
            assert answers[0].status_code == answers[1].status_code == 404
            assert answers[0].content == answers[1].content.replace(unknown.encode(), mine.encode())
        assert http.get("/jobs").json()["total"] == 0


def test_a_token_is_told_once_though_the_request_comes_twice(idle: Server) -> None:
    key = {"Idempotency-Key": "one key"}
    asked = {"name": "page", "scopes": ["live"]}
    with _client(idle, idle.new_key("replays", [Scope.ADMIN])) as http:
        made = http.post("/keys", json=asked, headers=key)
        again = http.post("/keys", json=asked, headers=key)
        assert again.status_code == made.status_code == 201
        assert "idempotency-replayed" not in made.headers
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json() == made.json() | {"token": None}
        assert len(http.get("/keys").json()["items"]) == 2


def test_webhooks_come_in_parts(idle: Server) -> None:
    with _client(idle, idle.new_key("hooked")) as http:
        made = [
            http.post("/webhooks", json={"url": f"https://example.com/{number}"}).json()["id"]
            for number in range(3)
        ]
        first = http.get("/webhooks", params={"limit": 2}).json()
        rest = http.get("/webhooks", params={"limit": 2, "cursor": first["cursor"]}).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == made[::-1]
    assert (first["total"], rest["cursor"]) == (3, None)


def test_keys_and_their_scopes(idle: Server) -> None:
    with _client(idle, idle.new_key("scopes", [Scope.ADMIN])) as http:
        made = http.post("/keys", json={"name": "page", "scopes": ["live"]}).json()
        assert made["token"].startswith("em_")
        listed = http.get("/keys").json()["items"]
        assert [key["token"] for key in listed] == [None, None]
        with _client(idle, made["token"]) as other:
            assert other.get("/limits").status_code == 200
            _refused(other.get("/jobs"), 403, "key.scope")
            _refused(other.get("/tenant"), 403, "key.scope")
            assert http.delete(f"/keys/{made['id']}").status_code == 204
            gone = other.get("/limits")
            _refused(gone, 401, "key.unknown")
            assert gone.headers["www-authenticate"] == "Bearer"
        with _client(idle) as default:
            foreign = default.delete(f"/keys/{made['id']}")
            unknown = default.delete("/keys/EKAAAAAAAAAAAAAAAAAA")
        assert _refused(foreign, 404, "resource.not_found") == _refused(
            unknown, 404, "resource.not_found"
        ).replace("EKAAAAAAAAAAAAAAAAAA", made["id"])


def test_a_tenant_changes_its_settings(idle: Server) -> None:
    with _client(idle, idle.new_key("changing", [Scope.ADMIN])) as http:
        before = http.get("/tenant").json()
        assert before["name"] == "changing"
        assert before["retention_s"] is None
        after = http.patch("/tenant", json={"retention_s": 3600}).json()
        assert after == before | {"retention_s": 3600}
        after = http.patch("/tenant", json={"webhook_secret": "a new one"})
        _refused(after, 422, "input.option")  # a space
        after = http.patch("/tenant", json={"webhook_secret": "new"}).json()
        assert after == before | {"retention_s": 3600, "webhook_secret": "new"}
        assert http.patch("/tenant", json={"retention_s": None}).json()["retention_s"] is None


def test_too_many_requests_are_told_when_to_come_again(idle: Server) -> None:
    with _client(idle, idle.new_key("hasty")) as http:
        left = [http.get("/limits").headers["x-ratelimit-remaining"] for _ in range(3)]
        assert left == ["49", "48", "47"]
        refused = http.get("/limits")
        for _ in range(120):  # a new window may begin meanwhile
            if refused.status_code == 429:
                break
            refused = http.get("/limits")
        _refused(refused, 429, "rate.limited")
        assert int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-ratelimit-limit"] == "50"
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert http.get("/jobs").status_code == 200  # another route


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/jobs/", "/jobs/1%0A2/3", "/%0A"])
def test_what_is_nowhere_is_a_problem_too(path: str, server: Server) -> None:
    with server.client() as client:
        _refused(client.get(API + path), 404, "http.not_found")


def test_what_is_not_done_is_a_problem_too(http: httpx.Client) -> None:
    wrong = http.delete("/limits")
    _refused(wrong, 405, "http.method")
    assert wrong.headers["allow"] == "GET"


def test_a_request_without_a_key_is_refused(server: Server) -> None:
    answer = httpx.get(f"{server.url}{API}/jobs")
    assert "Authorization: Bearer" in _refused(answer, 401, "key.unknown")


def test_the_limits_are_the_settings(http: httpx.Client) -> None:
    limits = http.get("/limits").json()
    assert limits["recording"]["max_bytes"] == 2_000_000
    assert "wav" in limits["recording"]["formats"]
    assert (limits["people"]["model"], limits["people"]["consent"]) == (DEFAULT_MODEL, "strict")
    assert limits["result_formats"]["diarize"] == [*sorted(FORMATS, key=_order)]


def _order(name: str) -> int:
    return ["json", "rttm", "srt", "vtt", "textgrid", "csv", "audacity"].index(name)

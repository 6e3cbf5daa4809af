"""DeepTone's jobs for files as far as nobody runs them: what is taken, shown and refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from earmark.server import create_app
from earmark.service import Caller, JobKind, JobState, Keys, Scope, Service
from earmark.settings import Settings
from earmark.storage import jobs as rows

JOBS = "/file-processing/jobs"
WAV = {"Content-Type": "audio/wav"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data_dir = tmp_path_factory.mktemp("deeptone")
    opened = Service.open(Settings(data_dir=data_dir, reserve_bytes=0, max_upload_bytes=1000))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def app(service: Service) -> ASGIApp:
    return create_app(service)


class Client:
    """Asks the application directly, with a key."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self.headers = {"x-api-key": key}

    def request(self, method: str, path: str, **asked: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://testserver", headers=self.headers
            ) as client:
                return await client.request(method, path, **asked)

        return asyncio.run(ask())

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, **asked: Any) -> httpx.Response:
        return self.request("POST", path, **asked)


def new_key(service: Service, tenant: str = "ann", scope: Scope = Scope.JOBS) -> str:
    return Keys(service.store).create(tenant, (scope,), "a test's").token


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    return new_key(service)


@pytest.fixture
def ann(app: ASGIApp, key: str) -> Client:
    return Client(app, key)


@pytest.fixture(scope="module")
def caller(service: Service, key: str) -> Caller:
    return service.keys.authenticate(key)


def told(answer: httpx.Response, status: int) -> str:
    """The sentence of a refusal."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body.keys() == {"message_type", "message", "code"}
    assert body["message_type"] == "error"
    sentence: str = body["message"]
    return sentence


def taken(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"{JOBS}/{job['id']}"
    return job


def recordings(service: Service) -> set[str]:
    return {blob.path for blob in service.store.blobs.list("media")}


def submit(http: Client, query: str = "models=speech", **headers: str) -> dict[str, Any]:
    return taken(http.post(f"{JOBS}?{query}", content=b"sound", headers=WAV | headers))


def test_a_file_is_taken(ann: Client, service: Service, caller: Caller) -> None:
    job = submit(ann, "models=gender,speech&output_period=4096&channel=0")
    assert job.keys() == {"id", "state", "config"}
    assert job["state"] == "new"
    assert job["config"]["models"] == ["gender", "speech"]
    assert ann.get(f"{JOBS}/{job['id']}").json() == job
    row = service.jobs.get(caller, job["id"])
    assert (row.kind, row.dialect, row.options.channels) == (JobKind.TRAITS, "deeptone", (0,))


@pytest.mark.parametrize("kind", ["audio/mpeg", "video/mp4", "application/octet-stream", None])
def test_any_kind_of_recording_is_taken(ann: Client, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    taken(ann.post(f"{JOBS}?models=speech", content=b"sound", headers=headers))


def test_the_key_may_be_in_the_query(ann: Client) -> None:
    key = ann.headers.pop("x-api-key")
    told(ann.post(f"{JOBS}?models=speech", content=b"sound"), 401)
    submit(ann, f"models=speech&api_key={key}")


def test_the_same_key_and_request_are_one_job(ann: Client, service: Service) -> None:
    first, there = submit(ann, **{"Idempotency-Key": "k"}), recordings(service)
    assert submit(ann, **{"Idempotency-Key": "k"})["id"] == first["id"]
    assert recordings(service) == there
    other = ann.post(f"{JOBS}?models=gender", content=b"sound", headers={"Idempotency-Key": "k"})
    told(other, 409)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", "speech, speech-rt, gender, speaker-map"),
        ("models=emotions", "speech, speech-rt, gender, speaker-map"),
        ("models=speech&output_period=100", "multiple of 64"),
        ("models=speech&channel=x", "channel"),
        ("models=speaker-map&gallery=staff", "streams only"),
    ],
)
def test_what_cannot_be_asked(ann: Client, query: str, sentence: str) -> None:
    assert sentence in told(ann.post(f"{JOBS}?{query}", content=b"x", headers=WAV), 400)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"url": 1}', b'{"uri": "https://x.example/a.wav"}'])
def test_an_address_that_is_none(ann: Client, body: bytes) -> None:
    answer = ann.post(
        f"{JOBS}?models=speech", content=body, headers={"Content-Type": "application/json"}
    )
    assert "url" in told(answer, 400)


@pytest.mark.parametrize("url", ["https://127.0.0.1/a.wav", "file:///etc/passwd", "a.wav"])
def test_an_address_inside(ann: Client, url: str) -> None:
    told(ann.post(f"{JOBS}?models=speech", json={"url": url}), 400)


def test_an_address_is_taken(ann: Client, service: Service, caller: Caller) -> None:
    job = taken(ann.post(f"{JOBS}?models=speech", json={"url": "https://x.example/a.wav"}))
    assert service.jobs.get(caller, job["id"]).url == "https://x.example/a.wav"


def test_a_body_of_another_kind(ann: Client) -> None:
    answer = ann.post(f"{JOBS}?models=speech", files={"file": b"sound"})
    assert "audio/wav" in told(answer, 400)


def test_a_file_that_is_too_large_is_not_kept(ann: Client, service: Service) -> None:
    there = recordings(service)
    told(ann.post(f"{JOBS}?models=speech", content=bytes(1001), headers=WAV), 413)
    assert recordings(service) == there


def test_keys(service: Service, app: ASGIApp, ann: Client) -> None:
    job, live = submit(ann)["id"], Client(app, new_key(service, scope=Scope.LIVE))
    assert "'jobs'" in told(live.get(f"{JOBS}/{job}"), 403)
    ann.headers["x-api-key"] = "em_wrong"
    told(ann.get(f"{JOBS}/{job}"), 401)


def test_jobs_of_others_are_unknown(service: Service, app: ASGIApp, ann: Client) -> None:
    job, eve = submit(ann)["id"], Client(app, new_key(service, "eve"))
    for path in (f"{JOBS}/{job}", f"{JOBS}/{job}/results"):
        assert told(eve.get(path), 404) == f"There is no job '{job}'."
    told(ann.get(f"{JOBS}/{job}x"), 404)


def set_state(service: Service, job: str, state: JobState, **values: str) -> None:
    with service.store.database.write() as connection:
        rows.update(connection, job, {"state": state, **values})


def test_results_of_a_job_that_is_not_done(ann: Client, service: Service) -> None:
    job = submit(ann)["id"]
    assert "has no result" in told(ann.get(f"{JOBS}/{job}/results"), 409)
    set_state(service, job, JobState.RUNNING)
    assert ann.get(f"{JOBS}/{job}").json()["state"] == "running"
    set_state(
        service,
        job,
        JobState.FAILED,
        error_kind="invalid",
        error_code="audio.empty",
        error_message="There is no sound.",
    )
    shown = ann.get(f"{JOBS}/{job}").json()
    assert (shown["state"], shown["error_description"]) == ("error", "There is no sound.")
    assert "has no result" in told(ann.get(f"{JOBS}/{job}/results"), 409)


def test_a_job_that_was_canceled_is_an_error(ann: Client, service: Service, caller: Caller) -> None:
    job = submit(ann)["id"]
    service.jobs.cancel(caller, job)
    shown = ann.get(f"{JOBS}/{job}").json()
    assert (shown["state"], shown["error_description"]) == ("error", "The job was canceled.")


def test_a_job_that_has_expired_is_unknown(ann: Client, service: Service) -> None:
    job = submit(ann)["id"]
    set_state(service, job, JobState.EXPIRED)
    told(ann.get(f"{JOBS}/{job}"), 404)
    told(ann.get(f"{JOBS}/{job}/results"), 404)


def test_paths_that_are_not_there(ann: Client) -> None:
    told(ann.get("/file-processing/nothing"), 404)
    told(ann.request("PUT", JOBS), 405)

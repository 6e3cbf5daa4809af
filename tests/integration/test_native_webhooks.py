"""Native webhooks, signed and repeated as Standard Webhooks says, read by its own library."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from server import Server, running
from waiting import until


@dataclass
class Receiver:
    """A webhook's receiver: what came, and what it answers next (200 when nothing is left)."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving(*answers: int) -> Iterator[Receiver]:
    receiver = Receiver(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.answers.pop(0) if receiver.answers else 200
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"thank you")
            receiver.came.append(({k.lower(): v for k, v in self.headers.items()}, body))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        receiver.url = f"http://127.0.0.1:{listener.server_port}/hook"
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            listener.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_ALLOW_HTTP": "true",
        "EARMARK_ALLOW_ADDRESSES": "127.0.0.1",
        "EARMARK_PUBLIC_URL": "https://ear.example/mark",
    }
    with running(tmp_path_factory.mktemp("webhooks"), settings=settings) as server:
        yield server


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        client.base_url = client.base_url.join("/api/v1")
        yield client


def _submit(http: httpx.Client, receiver: Receiver) -> dict[str, Any]:
    """A job that fails at once."""
    files = {"file": ("notes.wav", b"not a recording" * 99)}
    answer = http.post("/diarizations", data={"webhook": receiver.url}, files=files)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def _delivery(http: httpx.Client, job: dict[str, Any], state: str) -> dict[str, Any]:
    def found() -> list[dict[str, Any]]:
        params = {"job": job["id"], "state": state}
        items: list[dict[str, Any]] = http.get("/deliveries", params=params).json()["items"]
        return items

    until(found, what=f"a delivery that is {state}")
    (delivery,) = found()
    one: dict[str, Any] = http.get(f"/deliveries/{delivery['id']}").json()
    return one


def test_the_end_of_a_job_is_told_signed_and_small(http: httpx.Client) -> None:
    with receiving() as receiver:
        job = _submit(http, receiver)
        delivery = _delivery(http, job, "delivered")
        ((headers, body),) = receiver.came
    secret = http.get(f"/webhooks/{delivery['webhook']}").json()["secret"]
    told: dict[str, Any] = Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    assert headers["webhook-id"] == delivery["id"]
    assert headers["content-type"] == "application/json"
    assert told["type"] == "job.failed"
    assert datetime.fromisoformat(told["timestamp"]).tzinfo is not None
    assert told["data"]["id"] == job["id"]
    assert told["data"]["error"]["code"] == "audio.unsupported"
    assert told["data"]["links"]["self"] == f"https://ear.example/mark/api/v1/jobs/{job['id']}"
    assert len(body) < 20_000
    (attempt,) = delivery["attempts"]
    assert (attempt["number"], attempt["status"], attempt["reason"]) == (1, 200, None)
    assert attempt["answer"] == "thank you"


def test_a_delivery_comes_again_under_the_same_id(http: httpx.Client) -> None:
    with receiving(500) as receiver:
        job = _submit(http, receiver)
        delivery = _delivery(http, job, "delivered")
        assert [each["status"] for each in delivery["attempts"]] == [500, 200]
        again = http.post(f"/deliveries/{delivery['id']}/redeliver")
        assert again.status_code == 202
        until(lambda: len(receiver.came) == 3, what="the delivery asked for")
        assert {headers["webhook-id"] for headers, _ in receiver.came} == {delivery["id"]}
        assert len({body for _, body in receiver.came}) == 1


def test_a_receiver_that_is_gone_is_switched_off_until_switched_on(http: httpx.Client) -> None:
    with receiving(410) as receiver:
        delivery = _delivery(http, _submit(http, receiver), "failed")
        at = f"/webhooks/{delivery['webhook']}"
        until(lambda: not http.get(at).json()["enabled"], what="the webhook to be off")
        assert http.get(at).json()["disabled_reason"]
        assert http.patch(at, json={"enabled": True}).json()["enabled"]
        _delivery(http, _submit(http, receiver), "delivered")
        assert len(receiver.came) == 2
        assert http.delete(at).status_code == 204
        assert http.get(at).status_code == 404


def test_the_secret_is_known_before_the_first_job(http: httpx.Client) -> None:
    with receiving() as receiver:
        made = http.post("/webhooks", json={"url": receiver.url}).json()
        assert made["secret"].startswith("whsec_")
        assert http.post("/webhooks", json={"url": receiver.url}).json() == made
        delivery = _delivery(http, _submit(http, receiver), "delivered")
    assert delivery["webhook"] == made["id"]
    assert made in http.get("/webhooks").json()["items"]


def test_a_foreign_webhook_is_an_unknown_one(server: Server, http: httpx.Client) -> None:
    with receiving() as receiver:
        delivery = _delivery(http, _submit(http, receiver), "delivered")
    with server.client(server.new_key("stranger")) as other:
        for path in (
            f"/api/v1/webhooks/{delivery['webhook']}",
            f"/api/v1/deliveries/{delivery['id']}",
        ):
            assert other.get(path).status_code == 404
            assert other.delete(path).status_code in (404, 405)
        redeliver = f"/api/v1/deliveries/{delivery['id']}/redeliver"
        assert other.post(redeliver).status_code == 404
        assert other.get("/api/v1/deliveries").json()["items"] == []
        assert other.get("/api/v1/webhooks").json()["items"] == []

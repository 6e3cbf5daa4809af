"""One attempt at a webhook: what receivers get, and what of theirs is on record."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from certificates import Authority
from earmark.service import DeliveryState, Job, JobState
from earmark.service._http import Http
from earmark.settings import Settings
from earmark.storage import Database
from raw_server import RawServer, serve
from waiting import until
from webhook_desk import OK, Desk, Plain, answering


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk.of(database, tmp_path)


def hang(_: socket.socket, server: RawServer) -> None:
    server.stopped.wait()


def redirect(url: str, status: str = "307 Temporary Redirect") -> bytes:
    return answering(status, b"", f"Location: {url}")


def test_what_a_receiver_takes_at_the_first_try_is_delivered(desk: Desk) -> None:
    with serve(answering("202 Accepted", b"thanks")) as server, desk.courier():
        delivery = desk.end_job(server.url("/hook?of=acme"), document=b'{"turns": []}')
        found = desk.over(delivery)
    assert (found.state, found.event) == (DeliveryState.DELIVERED, "job.succeeded")
    assert server.requests[0].startswith(b"POST /hook?of=acme HTTP/1.1\r\n")
    body = server.requests[0].partition(b"\r\n\r\n")[2]
    assert json.loads(body) == [delivery.job_id, "succeeded", '{"turns": []}']
    sent = server.headers()
    webhook = desk.service.webhooks.get(desk.caller, delivery.webhook_id)
    assert (sent["x-delivery"], sent["x-secret"]) == (delivery.id, webhook.secret)
    assert (sent["x-attempt"], sent["x-last"]) == ("1", "None")
    assert sent["x-length"] == str(len(body))
    (attempt,) = found.attempts
    assert (attempt.number, attempt.status, attempt.reason) == (1, 202, None)
    assert attempt.answer == "thanks"
    assert attempt.duration_s > 0
    assert str(attempt.started_at) == sent["x-now"]
    assert len(server.requests) == 1


def test_failed_and_canceled_jobs_are_told_of_too(desk: Desk) -> None:
    with serve(OK) as server, desk.courier():
        failed = desk.over(desk.fail_job(server.url()))
        job = desk.submit(server.url())
        desk.service.jobs.cancel(desk.caller, job.id)
        canceled = desk.over(desk.of_job(job.id))
    assert (failed.state, failed.event) == (DeliveryState.DELIVERED, "job.failed")
    assert (canceled.state, canceled.event) == (DeliveryState.DELIVERED, "job.canceled")
    told = [json.loads(each.partition(b"\r\n\r\n")[2]) for each in server.requests]
    assert told == [
        [failed.job_id, JobState.FAILED, None],
        [canceled.job_id, JobState.CANCELED, None],
    ]


def assert_failed(desk: Desk, url: str, *, reason: str, http: Http | None = None) -> str:
    """Have a delivery tried once, in vain; what is on record of the answer."""
    with desk.courier(Plain(timeout_s=1.0), http):
        found = desk.after(desk.end_job(url), 1)
    (attempt,) = found.attempts
    assert attempt.reason == reason
    assert found.state is DeliveryState.PENDING
    over = attempt.started_at + attempt.duration_s
    assert over + 600 <= found.next_at + 0.1  # two clocks
    assert found.next_at <= time.time() + 660
    if reason != "status":
        assert attempt.status is None
    return attempt.answer


def test_a_receiver_that_hangs(desk: Desk) -> None:
    with serve(hang) as server:
        answer = assert_failed(desk, server.url("/hook?key=of-the-receiver"), reason="timeout")
    assert "did not answer in time" in answer
    assert "of-the-receiver" not in answer


def test_a_receiver_that_never_ends_its_answer(desk: Desk) -> None:
    def drip(connection: socket.socket, server: RawServer) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        server.drip(connection, b".")

    with serve(drip) as server:
        assert_failed(desk, server.url(), reason="timeout")


def test_a_receiver_that_fails(desk: Desk) -> None:
    with serve(answering("500 Internal Server Error", b"oh\0 no" + b"!" * 5000)) as server:
        answer = assert_failed(desk, server.url(), reason="status")
    assert answer == "oh no" + "!" * (2048 - 6)


def test_a_receiver_that_answers_what_is_no_text(desk: Desk) -> None:
    with serve(answering("500 Oops", b"\xff\xed\xa0\x80\0")) as server:
        answer = assert_failed(desk, server.url(), reason="status")
    assert set(answer) == {"\ufffd"}


def test_a_receiver_that_closes_in_the_middle(desk: Desk) -> None:
    with serve(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal") as server:
        assert_failed(desk, server.url(), reason="connection")


def test_a_receiver_that_does_not_speak_http(desk: Desk) -> None:
    with serve(b"SSH-2.0-OpenSSH_9.2\r\n\r\n\0") as server:
        assert_failed(desk, server.url(), reason="protocol")


def test_a_receiver_that_is_not_there(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert_failed(desk, f"http://127.0.0.1:{port}/", reason="connection")


def test_a_receiver_with_a_certificate_of_its_own(desk: Desk, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with serve(OK, ssl_context=authority.serving("127.0.0.1")) as server:
        assert_failed(desk, server.url(), reason="tls")
    assert not any(each.startswith(b"POST") for each in server.requests)


def test_a_host_that_is_not_known(desk: Desk) -> None:
    def resolve(host: str, _: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, host)

    http = Http(desk.service.settings, resolve=resolve)
    assert_failed(desk, "https://gone.example.com/hook", reason="connection", http=http)


def test_a_host_that_leads_inside_since_it_was_named(desk: Desk) -> None:
    http = Http(desk.service.settings, resolve=lambda _, __: ["169.254.169.254"])
    answer = assert_failed(desk, "https://rebound.example.com/", reason="address", http=http)
    assert "169.254" not in answer


def test_an_address_that_has_become_forbidden(desk: Desk) -> None:
    http = Http(Settings(allow_http=True))
    with serve(OK) as server:
        assert_failed(desk, server.url(), reason="address", http=http)
    assert server.requests == []


def test_a_redirect_inside_is_not_followed(database: Database, tmp_path: Path) -> None:
    desk = Desk.of(database, tmp_path, allowed=("127.0.0.2",))
    with (
        serve(OK) as inside,
        serve(redirect(inside.url("/admin")), host="127.0.0.2") as server,
    ):
        assert_failed(desk, server.url(), reason="address")
    assert inside.requests == []


def test_a_redirect_that_keeps_the_method_is_followed(desk: Desk) -> None:
    with (
        serve(OK) as target,
        serve(redirect(target.url("/there"))) as server,
        desk.courier(),
    ):
        found = desk.over(desk.end_job(server.url()))
    assert found.state is DeliveryState.DELIVERED
    assert found.attempts[0].status == 204
    assert target.requests[0].startswith(b"POST /there ")
    assert (
        target.requests[0].partition(b"\r\n\r\n")[2]
        == (server.requests[0].partition(b"\r\n\r\n")[2])
    )


def test_a_redirect_that_makes_a_get_of_it_is_an_answer(desk: Desk) -> None:
    with serve(OK) as target, serve(redirect(target.url(), "302 Found")) as server:
        assert_failed(desk, server.url(), reason="status")
    assert target.requests == []


def test_redirects_without_end(desk: Desk) -> None:
    with serve(redirect("/again")) as server:
        assert_failed(desk, server.url(), reason="redirects")
    assert len(server.requests) == 3


@dataclass(frozen=True, kw_only=True, slots=True)
class _Moody(Plain):
    """Cannot be written at first."""

    moods: list[Exception]

    def body(self, job: Job, document: Callable[[], bytes]) -> bytes:
        if self.moods:
            raise self.moods.pop()
        return Plain.body(self, job, document)


def test_a_defect_is_logged_and_the_delivery_goes_on_later(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(OK) as server, desk.courier(_Moody(moods=[KeyError("turns")])):
        delivery = desk.end_job(server.url())
        until(lambda: "in disorder" in caplog.text or None)
        assert "KeyError: 'turns'" in caplog.text
        assert desk.look(delivery).state is DeliveryState.PENDING
        assert desk.lease(delivery) > time.time()
        desk.change(delivery, leased_until=0.0)
        assert desk.over(delivery).state is DeliveryState.DELIVERED
    assert [each.levelno for each in caplog.records] == [logging.ERROR]


def test_what_no_format_is_known_for_waits(desk: Desk) -> None:
    with serve(OK) as server, desk.courier():
        other = desk.end_job(server.url(), dialect="of-a-later-version")
        desk.over(desk.end_job(server.url()))
    assert desk.look(other).state is DeliveryState.PENDING


def test_a_result_that_is_lost_is_given_up(desk: Desk) -> None:
    with serve(OK) as server:
        delivery = desk.end_job(server.url())
        job = desk.service.jobs.get(desk.caller, delivery.job_id)
        assert job.result_blob is not None
        desk.service.store.blobs.delete(job.result_blob)
        with desk.courier():
            assert desk.over(delivery).state is DeliveryState.FAILED
    assert server.requests == []

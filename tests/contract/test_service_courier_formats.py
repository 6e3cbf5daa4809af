"""What arrives, as receivers check it: Standard Webhooks' own package, pyannoteAI's recipe."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from earmark.dialects import native, pyannoteai
from earmark.service import DeliveryState, WebhookFormat
from earmark.storage import Database
from pyannoteai_results import result
from raw_server import RawServer, serve
from webhook_desk import OK, Desk, answering

ERROR = answering("500 Oops")
GONE = answering("410 Gone")


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk.of(database, tmp_path)


def formats(desk: Desk) -> dict[str, WebhookFormat]:
    settings = desk.service.settings
    return {
        native.NAME: native.webhook_format(settings),
        pyannoteai.NAME: pyannoteai.webhook_format(settings),
    }


def body_of(server: RawServer, index: int = -1) -> bytes:
    return server.requests[index].partition(b"\r\n\r\n")[2]


def test_native_deliveries_are_standard_webhooks(desk: Desk) -> None:
    with serve(OK) as server, desk.courier(formats(desk)):
        delivery = desk.over(desk.end_job(server.url()))
    assert delivery.state is DeliveryState.DELIVERED
    secret = desk.service.webhooks.get(desk.caller, delivery.webhook_id).secret
    told = Verifier(secret).verify(body_of(server), server.headers())
    assert told["type"] == "job.succeeded"
    assert told["data"]["id"] == delivery.job_id
    assert told["data"]["state"] == "succeeded"
    assert server.headers()["webhook-id"] == delivery.id
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(body_of(server) + b" ", server.headers())


def test_native_deliveries_are_the_same_each_time(desk: Desk) -> None:
    with serve(ERROR) as server, desk.courier(formats(desk)):
        delivery = desk.end_job(server.url())
        first = desk.after(delivery, 1)
        assert first.next_at - first.attempts[0].started_at >= 5
        desk.make_due(delivery)
        desk.after(delivery, 2)
        desk.service.webhooks.redeliver(desk.caller, delivery.id)
        desk.after(delivery, 3)
    assert {body_of(server, each) for each in range(3)} == {body_of(server)}
    assert {server.headers(each)["webhook-id"] for each in range(3)} == {delivery.id}
    secret = desk.service.webhooks.get(desk.caller, delivery.webhook_id).secret
    for each in range(3):
        Verifier(secret).verify(body_of(server, each), server.headers(each))


def test_native_schedule_is_ten_attempts_over_three_days(desk: Desk) -> None:
    schedule = formats(desk)[native.NAME].schedule_s
    assert (len(schedule), schedule[0]) == (10, 0)
    assert sum(schedule) / 3600 == pytest.approx(75, abs=1)


def test_native_webhooks_are_disabled_by_gone(desk: Desk) -> None:
    with serve(GONE) as server, desk.courier(formats(desk)):
        delivery = desk.over(desk.end_job(server.url()))
    assert delivery.state is DeliveryState.FAILED
    webhook = desk.service.webhooks.get(desk.caller, delivery.webhook_id)
    assert webhook.disabled_at is not None


def assert_signed(desk: Desk, server: RawServer, index: int = -1) -> None:
    """The vendor's recipe for receivers."""
    headers, body = server.headers(index), body_of(server, index)
    secret = desk.service.tenants.get(desk.caller.tenant_id).webhook_secret
    signed = f"v0:{headers['x-request-timestamp']}:{body.decode()}"
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    assert hmac.compare_digest(headers["x-signature"], digest)


def test_pyannoteai_deliveries_follow_the_vendors_recipe_and_schedule(desk: Desk) -> None:
    document = result().to_json().encode()
    with serve(ERROR) as server, desk.courier(formats(desk)):
        delivery = desk.end_job(server.url(), dialect=pyannoteai.NAME, document=document)
        second = desk.after(delivery, 2)  # the first retry is immediate
        assert second.next_at - second.attempts[1].started_at == pytest.approx(60, abs=30)
        desk.make_due(delivery)
        third = desk.after(delivery, 3)
        assert third.next_at - third.attempts[2].started_at == pytest.approx(300, abs=30)
        desk.make_due(delivery)
        last = desk.over(delivery)
    assert (last.state, last.attempt_count) == (DeliveryState.FAILED, 4)
    for each in range(4):
        assert_signed(desk, server, each)
    assert {body_of(server, each) for each in range(4)} == {body_of(server)}
    told = json.loads(body_of(server))
    assert (told["jobId"], told["status"]) == (delivery.job_id, "succeeded")
    assert len(told["output"]["diarization"]) == 3
    assert "x-retry-num" not in server.headers(0)
    assert [server.headers(each)["x-retry-num"] for each in (1, 2, 3)] == ["1", "2", "3"]
    assert {server.headers(each)["x-retry-reason"] for each in (1, 2, 3)} == {"http_error"}


def test_pyannoteai_webhooks_are_not_disabled_by_gone(desk: Desk) -> None:
    with serve(GONE) as server, desk.courier(formats(desk)):
        delivery = desk.after(
            desk.end_job(
                server.url(), dialect=pyannoteai.NAME, document=result().to_json().encode()
            ),
            2,
        )
    assert delivery.state is DeliveryState.PENDING
    assert [each.status for each in delivery.attempts] == [410, 410]
    webhook = desk.service.webhooks.get(desk.caller, delivery.webhook_id)
    assert webhook.disabled_at is None

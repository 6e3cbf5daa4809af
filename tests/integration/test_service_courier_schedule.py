"""Webhooks tried again: when, how often, and what ends a delivery."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from earmark.errors import Conflict, NotFound
from earmark.service import Delivery, DeliveryState
from earmark.service._sweeper import sweep
from earmark.storage import Database
from earmark.storage import deliveries as rows
from raw_server import serve
from waiting import until
from webhook_desk import OK, Desk, Plain, answering

ERROR = answering("500 Internal Server Error", b"no")
GONE = answering("410 Gone")
DAY = 24 * 3600


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk.of(database, tmp_path)


def test_attempts_follow_the_schedule_until_its_end(desk: Desk) -> None:
    with serve(ERROR) as server, desk.courier(Plain(jitter=0.0)):
        delivery = desk.end_job(server.url())
        first = desk.after(delivery, 1)
        assert (first.state, first.finished_at) == (DeliveryState.PENDING, None)
        assert first.next_at - first.attempts[0].started_at == pytest.approx(600, abs=60)
        desk.make_due(delivery)
        second = desk.after(delivery, 2)
        assert second.next_at - second.attempts[1].started_at == pytest.approx(6000, abs=60)
        desk.make_due(delivery)
        last = desk.over(delivery)
    assert last.state is DeliveryState.FAILED
    assert [(each.number, each.status, each.reason) for each in last.attempts] == [
        (1, 500, "status"),
        (2, 500, "status"),
        (3, 500, "status"),
    ]
    assert [server.headers(each)["x-attempt"] for each in range(3)] == ["1", "2", "3"]
    assert [server.headers(each)["x-last"] for each in range(3)] == ["None", "status", "status"]
    assert {server.headers(each)["x-delivery"] for each in range(3)} == {delivery.id}


def test_waits_vary_within_their_share(desk: Desk) -> None:
    with serve(ERROR) as server, desk.courier(Plain(jitter=0.5)):
        delivery = desk.end_job(server.url())
        others = desk.more(delivery, *(server.url(f"/{number}") for number in range(19)))
        found = [desk.after(each, 1) for each in (delivery.id, *others)]
        latest = time.time() + 900
    waits = [each.next_at - each.attempts[0].started_at for each in found]
    assert min(waits) >= 600
    assert all(each.next_at <= latest for each in found)
    assert max(waits) - min(waits) > 60


def first_attempt(desk: Desk, *headers: str, form: Plain) -> Delivery:
    with serve(answering("503 Busy", b"", *headers)) as server, desk.courier(form):
        return desk.after(desk.end_job(server.url()), 1)


def test_a_receiver_may_ask_for_a_later_attempt(desk: Desk) -> None:
    found = first_attempt(desk, "Retry-After: 7200", form=Plain())
    assert found.next_at >= found.attempts[0].started_at + 7200
    assert found.next_at <= time.time() + 7200


def test_a_receiver_may_name_the_time(desk: Desk) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    found = first_attempt(desk, f"Retry-After: {format_datetime(at, usegmt=True)}", form=Plain())
    assert at.timestamp() - 1 <= found.next_at
    assert found.next_at <= at.timestamp() + 60


def test_no_receiver_puts_an_attempt_off_for_more_than_a_day(desk: Desk) -> None:
    found = first_attempt(desk, "Retry-After: 999999999", form=Plain())
    assert found.next_at >= found.attempts[0].started_at + DAY
    assert found.next_at <= time.time() + DAY


def test_no_receiver_has_it_sooner(desk: Desk) -> None:
    found = first_attempt(desk, "Retry-After: 1", form=Plain())
    assert found.next_at >= found.attempts[0].started_at + 600


def test_formats_need_not_listen(desk: Desk) -> None:
    form = Plain(honours_retry_after=False, jitter=0.0)
    found = first_attempt(desk, "Retry-After: 7200", form=form)
    assert found.next_at <= time.time() + 600


def test_gone_disables_the_webhook(desk: Desk) -> None:
    webhooks = desk.service.webhooks
    with serve(GONE) as server:
        waiting = desk.end_job(server.url())
        desk.change(waiting, next_at=time.time() + DAY)
        with desk.courier():
            delivery = desk.over(desk.end_job(server.url()))
            assert (delivery.state, delivery.attempts[0].status) == (DeliveryState.FAILED, 410)
            webhook = webhooks.get(desk.caller, delivery.webhook_id)
            assert webhook.disabled_at is not None
            assert webhook.disabled_reason == "its receiver answered 410"
            assert desk.look(waiting).state is DeliveryState.FAILED
            later = desk.over(desk.end_job(server.url()))
            assert (later.state, later.attempts) == (DeliveryState.FAILED, ())
            assert len(server.requests) == 1

            webhooks.enable(desk.caller, webhook.id, enabled=True)
            desk.after(desk.end_job(server.url()), 1)
            assert len(server.requests) == 2


def test_gone_at_several_deliveries_at_once(desk: Desk) -> None:
    with serve(GONE) as server:
        delivery = desk.end_job(server.url())
        every = [delivery.id, *desk.more(delivery, *[server.url()] * 20)]
        with desk.courier(), desk.courier():
            assert {desk.over(each).state for each in every} == {DeliveryState.FAILED}
        tried = sum(desk.look(each).attempt_count for each in every)
    assert 1 <= tried == len(server.requests)


def test_gone_may_be_a_failure_like_others(desk: Desk) -> None:
    with serve(GONE) as server, desk.courier(Plain(disables_on_gone=False)):
        found = desk.after(desk.end_job(server.url()), 1)
    assert (found.state, found.attempts[0].status) == (DeliveryState.PENDING, 410)
    webhook = desk.service.webhooks.get(desk.caller, found.webhook_id)
    assert webhook.disabled_at is None


def test_switching_off_gives_up_what_is_pending(desk: Desk) -> None:
    webhooks = desk.service.webhooks
    with serve(OK) as server:
        delivery = desk.end_job(server.url())
        off = webhooks.enable(desk.caller, delivery.webhook_id, enabled=False)
        assert off.disabled_reason == "switched off"
        assert desk.look(delivery).state is DeliveryState.FAILED
        with pytest.raises(Conflict, match="switch it on first"):
            webhooks.redeliver(desk.caller, delivery.id)
        on = webhooks.enable(desk.caller, delivery.webhook_id, enabled=True)
        assert (on.disabled_at, on.disabled_reason) == (None, None)
        with desk.courier():
            webhooks.redeliver(desk.caller, delivery.id)
            assert desk.over(delivery).state is DeliveryState.DELIVERED


@pytest.mark.parametrize("outcome", ["delivered", "failed"])
def test_an_attempt_under_way_when_its_webhook_is_switched_off(desk: Desk, outcome: str) -> None:
    answer = OK if outcome == "delivered" else ERROR

    def switch_off(connection: socket.socket, _: object) -> None:
        desk.service.webhooks.enable(desk.caller, delivery.webhook_id, enabled=False)
        connection.sendall(answer)

    with serve(switch_off) as server:
        delivery = desk.end_job(server.url())
        with desk.courier():
            found = desk.after(delivery, 1)
    assert found.state == outcome
    assert found.finished_at is not None


def test_a_webhook_deleted_while_it_answers(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def delete(connection: socket.socket, _: object) -> None:
        desk.service.webhooks.delete(desk.caller, delivery.webhook_id)
        connection.sendall(OK)

    with serve(delete) as server:
        delivery = desk.end_job(server.url())
        with desk.courier():
            until(lambda: server.requests)
    with pytest.raises(NotFound):
        desk.look(delivery)
    assert desk.service.jobs.get(desk.caller, delivery.job_id).webhook_id is None
    assert caplog.records == []


def test_jobs_that_end_while_their_webhooks_are_deleted(desk: Desk) -> None:
    """On PostgreSQL both are done at once, and neither may trip the other up."""
    service, caller = desk.service, desk.caller
    jobs = [desk.submit(f"http://127.0.0.1:9/{number}") for number in range(25)]
    with ThreadPoolExecutor(8) as pool:
        ends = [
            end
            for job in jobs
            for end in (
                pool.submit(service.jobs.cancel, caller, job.id),
                pool.submit(service.webhooks.delete, caller, str(job.webhook_id)),
            )
        ]
    assert [each.exception() for each in ends] == [None] * 50
    assert service.webhooks.deliveries(caller).items == ()


def test_a_webhook_that_is_deleted_hears_of_nothing(desk: Desk) -> None:
    delivery = desk.end_job("http://127.0.0.1:9/")
    desk.service.webhooks.delete(desk.caller, delivery.webhook_id)
    with desk.service.store.database.write() as connection:
        noted = rows.enqueue(
            connection,
            tenant_id=desk.caller.tenant_id,
            webhook_id=delivery.webhook_id,
            job_id=delivery.job_id,
            event=delivery.event,
            now=time.time(),
        )
    assert noted is None


def test_what_has_arrived_may_be_delivered_again(desk: Desk) -> None:
    with serve(OK) as server, desk.courier():
        delivery = desk.over(desk.end_job(server.url()))
        again = desk.service.webhooks.redeliver(desk.caller, delivery.id)
        assert (again.state, again.finished_at) == (DeliveryState.PENDING, None)
        found = desk.after(delivery, 2)
    assert found.state is DeliveryState.DELIVERED
    assert [each.number for each in found.attempts] == [1, 2]
    assert (server.headers()["x-attempt"], server.headers()["x-last"]) == ("2", "None")
    bodies = {each.partition(b"\r\n\r\n")[2] for each in server.requests}
    assert len(bodies) == 1


def test_the_rest_of_the_schedule_follows_a_redelivery(desk: Desk) -> None:
    with serve(ERROR) as server, desk.courier(Plain(jitter=0.0)):
        delivery = desk.after(desk.end_job(server.url()), 1)
        desk.service.webhooks.redeliver(desk.caller, delivery.id)
        second = desk.after(delivery, 2)
        assert second.state is DeliveryState.PENDING
        assert second.next_at - second.attempts[1].started_at == pytest.approx(6000, abs=60)
        desk.service.webhooks.redeliver(desk.caller, delivery.id)
        assert desk.over(delivery).state is DeliveryState.FAILED
        desk.service.webhooks.redeliver(desk.caller, delivery.id)
        last = desk.after(delivery, 4)
    assert last.state is DeliveryState.FAILED  # the schedule is over: one attempt each


def test_a_redelivery_asked_for_during_an_attempt_is_one_more(desk: Desk) -> None:
    def ask(connection: socket.socket, _: object) -> None:
        if len(server.requests) == 1:
            desk.service.webhooks.redeliver(desk.caller, delivery.id)
        connection.sendall(OK)

    with serve(ask) as server:
        delivery = desk.end_job(server.url())
        with desk.courier():
            found = desk.over(delivery)
    assert [each.status for each in found.attempts] == [204, 204]


def test_a_job_deleted_meanwhile_is_told_of_no_more(desk: Desk) -> None:
    with serve(OK) as server:
        delivery = desk.end_job(server.url())
        desk.service.jobs.delete(desk.caller, delivery.job_id)
        with desk.courier():
            found = desk.over(delivery)
        with pytest.raises(Conflict, match="no longer kept"):
            desk.service.webhooks.redeliver(desk.caller, delivery.id)
    assert (found.state, found.attempts) == (DeliveryState.FAILED, ())
    assert server.requests == []


def test_a_job_expired_meanwhile_is_told_of_no_more(desk: Desk) -> None:
    desk.service.tenants.update(desk.caller.tenant_id, retention_s=3600.0)
    with serve(OK) as server:
        delivery = desk.end_job(server.url())
        sweep(desk.service, time.time() + 2 * 3600)
        assert desk.service.jobs.get(desk.caller, delivery.job_id).state == "expired"
        with desk.courier():
            found = desk.over(delivery)
        with pytest.raises(Conflict, match="no longer kept"):
            desk.service.webhooks.redeliver(desk.caller, delivery.id)
    assert (found.state, found.attempts) == (DeliveryState.FAILED, ())
    assert server.requests == []

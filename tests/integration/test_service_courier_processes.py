"""Couriers that share the work, die, are stopped, and lose their storage."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from earmark.service import DeliveryState
from earmark.service._http import Http
from earmark.storage import Database, migrate
from earmark.storage import deliveries as rows
from postgres import Postgres
from raw_server import RawServer, serve
from waiting import until
from webhook_desk import ALLOWED, OK, Desk, Plain

TESTS = Path(__file__).parents[1]


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk.of(database, tmp_path)


@contextmanager
def courier_process(desk: Desk) -> Iterator[subprocess.Popen[bytes]]:
    """A courier that is killed with -9 at the end, or before."""
    settings = desk.service.settings
    url = desk.service.store.database.url.render_as_string(hide_password=False)
    environment = {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "EARMARK_DATA_DIR": str(settings.data_dir),
        "EARMARK_DATABASE_URL": url,
        "EARMARK_ALLOW_HTTP": "true",
        "EARMARK_ALLOW_ADDRESSES": ",".join(ALLOWED),
    }
    process = subprocess.Popen([sys.executable, TESTS / "courier_process.py"], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def hang(_: socket.socket, server: RawServer) -> None:
    server.stopped.wait()


def test_a_delivery_outlives_the_courier_that_dies_with_it(desk: Desk) -> None:
    killed = threading.Event()

    def answer(connection: socket.socket, _: RawServer) -> None:
        killed.wait()
        connection.sendall(OK)

    with serve(answer) as server:
        delivery = desk.end_job(server.url())
        with courier_process(desk):
            until(lambda: server.requests)
        killed.set()
        assert desk.look(delivery).state is DeliveryState.PENDING
        assert desk.lease(delivery) > time.time()
        with desk.service.store.database.write() as connection:  # nobody else may have it yet
            assert rows.next_due(connection, now=time.time(), dialects=["native"]) is None
        desk.change(delivery, leased_until=time.time() - 1)
        with desk.courier():
            found = desk.over(delivery)
    assert found.state is DeliveryState.DELIVERED
    assert [each.number for each in found.attempts] == [1]
    assert [server.headers(each)["x-delivery"] for each in range(2)] == [delivery.id] * 2


def test_two_couriers_share_the_work_and_deliver_nothing_twice(desk: Desk) -> None:
    at_once, together = 0, threading.Condition()

    def answer(connection: socket.socket, _: RawServer) -> None:
        """To more requests than one courier makes: so both have to be at work."""
        nonlocal at_once
        with together:
            at_once += 1
            together.notify_all()
            together.wait_for(lambda: at_once > 4, timeout=15)
        connection.sendall(OK)

    with serve(answer) as server, courier_process(desk):
        delivery = desk.end_job(server.url())
        every = [delivery.id, *desk.more(delivery, *[server.url()] * 39)]
        with desk.courier():
            assert {desk.over(each).state for each in every} == {DeliveryState.DELIVERED}
    assert at_once > 4
    sent = Counter(server.headers(each)["x-delivery"] for each in range(len(server.requests)))
    assert sent == dict.fromkeys(every, 1)


def test_a_late_answer_does_not_undo_what_another_courier_noted(desk: Desk) -> None:
    """The first attempt takes longer than its lease, and fails after the second has arrived."""
    form, taken_over = Plain(schedule_s=(0.0, 600.0)), threading.Event()

    def answer(connection: socket.socket, server: RawServer) -> None:
        if len(server.requests) == 1:
            taken_over.wait()
            connection.sendall(b"HTTP/1.1 500 Oops\r\n\r\n")
        connection.sendall(OK)

    with serve(answer) as server, desk.courier(form):
        delivery = desk.end_job(server.url())
        until(lambda: server.requests)
        desk.change(delivery, leased_until=0.0)
        with desk.courier(form):
            assert desk.over(delivery).state is DeliveryState.DELIVERED
        taken_over.set()
        found = desk.after(delivery, 2)
    assert found.state is DeliveryState.DELIVERED
    assert [(each.number, each.status) for each in found.attempts] == [(1, 204), (2, 500)]


def test_a_receiver_that_hangs_keeps_no_others_waiting(desk: Desk) -> None:
    other = desk.also()
    with desk.courier(Plain(timeout_s=600.0)), serve(OK) as server, serve(hang) as hanging:
        first = desk.end_job(hanging.url("/?job=0"))
        stuck = desk.more(first, *(hanging.url(f"/?job={each}") for each in range(1, 100)))
        until(lambda: len(hanging.requests) >= 4)
        assert desk.over(desk.end_job(server.url())).state is DeliveryState.DELIVERED
        assert other.over(other.end_job(server.url())).state is DeliveryState.DELIVERED
        assert len(hanging.requests) == 4
        assert {desk.look(each).attempt_count for each in stuck} == {0}
        for webhook in desk.service.webhooks.list(desk.caller, limit=200).items:
            desk.service.webhooks.enable(desk.caller, webhook.id, enabled=False)


def test_a_tenant_whose_receivers_all_hang_keeps_no_others_waiting(desk: Desk) -> None:
    other = desk.also()
    http = Http(desk.service.settings, resolve=lambda _, __: ["127.0.0.1"])
    courier = desk.courier(Plain(timeout_s=600.0), http)
    with courier, serve(OK) as server, serve(hang) as hanging:
        names = [f"http://{name}.example.com:{hanging.port}/" for name in "abcde"]
        first = desk.end_job(names[0])
        desk.more(first, *(f"{each}{number}" for each in names for number in range(10)))
        until(lambda: len(hanging.requests) >= 16)
        assert other.over(other.end_job(server.url())).state is DeliveryState.DELIVERED
        assert len(hanging.requests) == 16
        for webhook in desk.service.webhooks.list(desk.caller, limit=200).items:
            desk.service.webhooks.enable(desk.caller, webhook.id, enabled=False)


def test_stopping_waits_for_what_is_under_way_and_begins_no_more(desk: Desk) -> None:
    with serve(hang) as server:
        with desk.courier(Plain(timeout_s=1.0)):
            first = desk.end_job(server.url())
            every = [first.id, *desk.more(first, *[server.url()] * 9)]
            until(lambda: len(server.requests) == 4)
        found = [desk.look(each) for each in every]
        assert not [each for each in threading.enumerate() if each.name.startswith("courier")]
    assert sum(each.attempt_count for each in found) == len(server.requests)
    assert {each.attempts[0].reason for each in found if each.attempts} == {"timeout"}
    assert DeliveryState.PENDING in {each.state for each in found if not each.attempts}


def test_an_outage_of_the_database_is_survived(
    postgres: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with postgres.fresh() as url:
        database = Database(url)
        migrate(database)
        desk = Desk.of(database, tmp_path)

        def answer(connection: socket.socket, server: RawServer) -> None:
            if len(server.requests) == 1:
                postgres.stop()  # while the attempt is under way: it cannot be noted
            connection.sendall(OK)

        try:
            with serve(answer) as server, desk.courier():
                delivery = desk.end_job(server.url())
                until(lambda: "is tried again later" in caplog.text or None)
                until(lambda: "wait until the storage answers" in caplog.text or None)
                postgres.start()
                assert desk.look(delivery).state is DeliveryState.PENDING
                desk.change(delivery, leased_until=0.0)
                assert desk.over(delivery).state is DeliveryState.DELIVERED
            assert len(server.requests) == 2
        finally:
            database.close()

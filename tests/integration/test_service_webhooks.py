"""Webhooks and deliveries as tenants see them: their own, all of it, for three months."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from earmark.errors import AddressForbidden, Forbidden, InvalidOption, NotFound
from earmark.service import Caller, DeliveryState, Scope, Webhook, Webhooks
from earmark.settings import Settings
from earmark.storage import Database
from webhook_desk import Desk

URL = "http://127.0.0.1:9/hook"
DAY = 24 * 3600

Look = Callable[[Webhooks, Caller, str], object]


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk.of(database, tmp_path)


@pytest.mark.parametrize(
    "look",
    [
        lambda webhooks, caller, known: webhooks.get(caller, known),
        lambda webhooks, caller, known: webhooks.enable(caller, known, enabled=False),
        lambda webhooks, caller, known: webhooks.delete(caller, known),
    ],
)
def test_another_tenants_webhook_is_an_unknown_one(desk: Desk, look: Look) -> None:
    mine = desk.end_job(URL)
    assert_unknown(desk, look, mine.webhook_id)
    assert desk.look(mine).state is DeliveryState.PENDING


@pytest.mark.parametrize(
    "look",
    [
        lambda webhooks, caller, known: webhooks.delivery(caller, known),
        lambda webhooks, caller, known: webhooks.redeliver(caller, known),
    ],
)
def test_another_tenants_delivery_is_an_unknown_one(desk: Desk, look: Look) -> None:
    mine = desk.end_job(URL)
    assert_unknown(desk, look, mine.id)
    assert desk.look(mine) == mine


def assert_unknown(desk: Desk, look: Look, known: str) -> None:
    webhooks, theirs, unknown = desk.service.webhooks, desk.also().caller, str(uuid.uuid4())
    with pytest.raises(NotFound) as foreign:
        look(webhooks, theirs, known)
    with pytest.raises(NotFound) as missing:
        look(webhooks, theirs, unknown)
    assert str(foreign.value).replace(known, unknown) == str(missing.value)


def test_lists_hold_the_tenants_own(desk: Desk) -> None:
    webhooks, other = desk.service.webhooks, desk.also()
    mine, theirs = desk.end_job(URL), other.end_job(URL)
    assert mine.webhook_id != theirs.webhook_id
    assert [each.id for each in webhooks.list(desk.caller).items] == [mine.webhook_id]
    assert webhooks.deliveries(desk.caller).items == (mine,)
    assert webhooks.deliveries(desk.caller).total == 1
    for found in (
        webhooks.deliveries(desk.caller, job_id=theirs.job_id),
        webhooks.deliveries(desk.caller, webhook_id=theirs.webhook_id),
    ):
        assert (found.items, found.total) == ((), 0)


def test_an_address_has_one_webhook_with_a_secret_that_stays(desk: Desk) -> None:
    webhooks = desk.service.webhooks
    made = webhooks.ensure(desk.caller, dialect="native", url=URL)
    assert webhooks.ensure(desk.caller, dialect="native", url=URL) == made
    assert webhooks.get(desk.caller, desk.end_job(URL).webhook_id) == made
    others = [
        webhooks.ensure(desk.caller, dialect="native", url=f"{URL}?2"),
        webhooks.ensure(desk.caller, dialect="pyannoteai", url=URL),
        webhooks.ensure(desk.also().caller, dialect="native", url=URL),
    ]
    assert len({each.secret for each in (made, *others)}) == 4
    assert webhooks.list(desk.caller).items == (others[1], others[0], made)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://10.0.0.7/", AddressForbidden),
        ("http://[::1]/", AddressForbidden),
        ("file:///etc/passwd", InvalidOption),
        ("hook", InvalidOption),
    ],
)
def test_addresses_that_nothing_is_sent_to(desk: Desk, url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        desk.service.webhooks.ensure(desk.caller, dialect="native", url=url)
    assert desk.service.webhooks.list(desk.caller).items == ()


def test_a_server_that_connects_to_nothing(desk: Desk) -> None:
    settings = Settings(allow_http=True, allow_addresses=("127.0.0.1",), outbound=False)
    webhooks = Webhooks(replace(desk.service.store, settings=settings))
    with pytest.raises(AddressForbidden, match="EARMARK_OUTBOUND"):
        webhooks.ensure(desk.caller, dialect="native", url=URL)


def test_without_the_scope_nothing_is_told(desk: Desk) -> None:
    delivery, webhooks = desk.end_job(URL), desk.service.webhooks
    caller = replace(desk.caller, scopes=frozenset({Scope.LIVE}))
    for look in (
        lambda: webhooks.ensure(caller, dialect="native", url=URL),
        lambda: webhooks.list(caller),
        lambda: webhooks.get(caller, delivery.webhook_id),
        lambda: webhooks.enable(caller, delivery.webhook_id, enabled=False),
        lambda: webhooks.delete(caller, delivery.webhook_id),
        lambda: webhooks.deliveries(caller),
        lambda: webhooks.delivery(caller, delivery.id),
        lambda: webhooks.redeliver(caller, delivery.id),
    ):
        with pytest.raises(Forbidden):
            look()
    assert desk.look(delivery) == delivery


def test_deliveries_come_in_pages_newest_first(desk: Desk) -> None:
    first = desk.end_job(URL)
    every = [first.id, *desk.more(first, *[URL] * 6)]
    for number, each in enumerate(every):
        desk.change(desk.look(each), created_at=1000.0 + number // 2)  # some at the same time
    seen, cursor = [], None
    while True:
        page = desk.service.webhooks.deliveries(desk.caller, limit=2, cursor=cursor)
        assert page.total == 7
        seen += [(each.created_at, each.id) for each in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert {each for _, each in seen} == set(every)
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 7


def test_webhooks_come_in_pages_newest_first(desk: Desk) -> None:
    webhooks = desk.service.webhooks
    made = [
        webhooks.ensure(desk.caller, dialect="native", url=f"{URL}?{number}") for number in range(5)
    ]
    webhooks.ensure(desk.also().caller, dialect="native", url=URL)
    seen: list[Webhook] = []
    cursor = None
    while True:
        page = webhooks.list(desk.caller, limit=2, cursor=cursor)
        assert page.total == 5
        seen += page.items
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == sorted(made, key=lambda each: (each.created_at, each.id), reverse=True)


def test_deliveries_of_a_job_a_webhook_or_a_state(desk: Desk) -> None:
    webhooks = desk.service.webhooks
    one, two = desk.end_job(URL), desk.end_job(f"{URL}?2")
    webhooks.enable(desk.caller, two.webhook_id, enabled=False)
    assert webhooks.deliveries(desk.caller, job_id=one.job_id).items == (one,)
    assert webhooks.deliveries(desk.caller, webhook_id=one.webhook_id).items == (one,)
    failed = webhooks.deliveries(desk.caller, state=DeliveryState.FAILED)
    assert [each.id for each in failed.items] == [two.id]


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "W1tbW1tbW1tb", "bmFuIA==" * 2])
def test_a_cursor_that_is_none(desk: Desk, cursor: str) -> None:
    with pytest.raises(InvalidOption, match="is no cursor"):
        desk.service.webhooks.deliveries(desk.caller, cursor=cursor)
    with pytest.raises(InvalidOption, match="is no cursor"):
        desk.service.webhooks.list(desk.caller, cursor=cursor)


def test_what_is_deleted_goes_with_its_deliveries(desk: Desk) -> None:
    mine, other = desk.end_job(URL), desk.end_job(f"{URL}?2")
    desk.service.webhooks.delete(desk.caller, mine.webhook_id)
    assert desk.service.webhooks.deliveries(desk.caller).items == (other,)
    with pytest.raises(NotFound):
        desk.service.webhooks.get(desk.caller, mine.webhook_id)


def test_deliveries_are_forgotten_after_three_months(desk: Desk) -> None:
    now = time.time()
    kept, pending, old = (desk.end_job(f"{URL}?{each}") for each in range(3))
    over = {"state": DeliveryState.DELIVERED, "attempts": 1}
    desk.change(kept, **over, next_at=now - 89 * DAY, finished_at=now - 89 * DAY)
    desk.change(pending, next_at=now - 91 * DAY)
    desk.change(old, **over, next_at=now - 91 * DAY, finished_at=now - 91 * DAY)
    desk.service.webhooks.sweep(now)
    left = desk.service.webhooks.deliveries(desk.caller)
    assert {each.id for each in left.items} == {kept.id, pending.id}
    with pytest.raises(NotFound):
        desk.look(old)

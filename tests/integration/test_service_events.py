"""Events that are no job's end, on their way to the addresses of the settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from earmark.dialects import chime
from earmark.service import Caller, DeliveryState
from earmark.service._delivery import note_event
from earmark.settings import Settings
from earmark.storage import Database
from raw_server import serve
from webhook_desk import OK, Desk, Plain


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk.of(database, tmp_path)


def note(desk: Desk, *urls: str) -> None:
    detail: dict[str, Any] = {
        "connector": "vc",
        "transaction": "tx",
        "shown": {"region": "eu-west-1"},
    }
    with desk.service.store.database.write() as connection:
        note_event(
            connection,
            Settings(chime_event_urls=urls),
            tenant_id=desk.caller.tenant_id,
            dialect="chime",
            about="a-call",
            event="call.opened",
            detail=detail,
            now=1.7e9,
        )


def only(desk: Desk, caller: Caller | None = None) -> str:
    (found,) = desk.service.webhooks.deliveries(caller or desk.caller).items
    assert (found.event, found.job_id) == ("call.opened", "a-call")
    return found.id


def test_an_event_is_delivered_and_delivered_again(desk: Desk) -> None:
    with serve(OK) as bus:
        note(desk, bus.url("/bus"))
        with desk.courier({"chime": chime.webhook_format(Settings())}):
            delivery = only(desk)
            assert desk.over(delivery).state is DeliveryState.DELIVERED
            desk.service.webhooks.redeliver(desk.caller, delivery)
            desk.after(delivery, 2)
        bodies = [json.loads(each.partition(b"\r\n\r\n")[2]) for each in bus.requests]
    assert bodies[0] == bodies[1]
    assert bodies[0]["detail"] == {
        "detailStatus": "AnalyticsReady",
        "transactionId": "tx",
        "voiceConnectorId": "vc",
    }


def test_a_dialect_without_events_tells_of_none(desk: Desk) -> None:
    with serve(OK) as bus:
        note(desk, bus.url())
        with desk.courier({"chime": Plain()}):
            assert desk.over(only(desk)).state is DeliveryState.FAILED
        assert bus.requests == []


def test_nothing_is_noted_without_addresses(desk: Desk) -> None:
    note(desk)
    assert desk.service.webhooks.deliveries(desk.caller).items == ()

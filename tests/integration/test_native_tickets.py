"""Tickets: what they stand for, once and for a minute, on both databases."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callers import new_caller
from earmark.errors import EarmarkError, Forbidden, Unauthenticated
from earmark.service import Caller, Scope, Service
from earmark.settings import Settings
from earmark.storage import Database
from stores import store_on


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(store_on(database, Settings(data_dir=tmp_path)))


@pytest.fixture
def caller(service: Service) -> Caller:
    made = service.keys.create("acme", [Scope.LIVE], "a test's")
    return service.keys.authenticate(made.token)


def test_a_ticket_stands_for_its_key_once(service: Service, caller: Caller) -> None:
    made = service.tickets.make(caller)
    assert made.expires_at <= time.time() + 60
    assert made.token not in repr(made)

    def redeem(other: Service) -> Caller | EarmarkError:
        try:
            return other.tickets.redeem(made.token)
        except EarmarkError as error:
            return error

    with ThreadPoolExecutor() as pool:  # as in several processes
        found = list(pool.map(redeem, [service, Service(service.store), Service(service.store)]))
    assert [each for each in found if isinstance(each, Caller)] == [caller]
    assert {type(each) for each in found if each != caller} == {Unauthenticated}


def test_what_is_no_ticket_any_more_opens_nothing(service: Service, caller: Caller) -> None:
    assert caller.key_id is not None
    claims = {"for": "ticket", "key": caller.key_id, "nonce": "n"}
    over = service.links.sign(claims, ttl_s=-1)
    other = service.links.sign({**claims, "for": "upload"}, ttl_s=60)
    bare = service.links.sign({"upload": "u"}, ttl_s=60)
    good = service.tickets.make(caller).token
    changed = ("A" if good[0] != "A" else "B") + good[1:]
    for token in (over, other, bare, changed, "", "é"):
        with pytest.raises(Unauthenticated, match="no ticket"):
            service.tickets.redeem(token)
    service.keys.revoke(caller.key_id)
    with pytest.raises(Unauthenticated, match="revoked"):
        service.tickets.redeem(good)


def test_nobody_without_a_key_gets_one(service: Service) -> None:
    nobody = Caller(tenant_id="t", key_id=None, scopes=frozenset({Scope.LIVE}))
    with pytest.raises(Forbidden):
        service.tickets.make(nobody)
    unknown = service.tickets.make(new_caller(service.store)).token
    with pytest.raises(Unauthenticated):
        service.tickets.redeem(unknown)

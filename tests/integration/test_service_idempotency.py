"""Requests that come twice count once: noted in the transaction that does what they ask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from earmark.errors import Conflict, IdempotencyConflict, JobFinished, NotFound
from earmark.service import Caller, Idempotency, Keys, MediaLibrary, NewKey, Scope
from earmark.storage import Database
from earmark.storage._schema import api_keys, deliveries, idempotency, jobs, media, uploads
from earmark.storage._schema import webhooks as webhooks_table
from webhook_desk import Desk

URL = "http://127.0.0.1:9/hook"


@dataclass
class Promise:
    """A key, and how often its request was told to be one that came before."""

    key: str = "k1"
    fingerprint: str = "f1"
    replays: list[None] = field(default_factory=list)

    @property
    def idempotency(self) -> Idempotency:
        return Idempotency(
            key=self.key,
            fingerprint=self.fingerprint,
            on_replay=lambda: self.replays.append(None),
        )


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One sort of request: ``do`` it; ``table`` tells how often it was done."""

    prepare: Callable[[Desk], str]
    do: Callable[[Desk, Caller, str, Idempotency], Any]
    table: sa.Table
    where: tuple[sa.ColumnElement[bool], ...] = ()

    def done(self, desk: Desk) -> int:
        query = sa.select(sa.func.count()).select_from(self.table).where(*self.where)
        with desk.service.store.database.read() as connection:
            return connection.scalar(query) or 0


def _whole_upload(desk: Desk) -> str:
    upload = desk.service.uploads.create(desk.caller, size=4, part_size=2)
    for number in (1, 2):
        with desk.service.uploads.part(desk.caller, upload.id, number) as writer:
            writer.write(b"ab")
            writer.commit()
    return upload.id


def _delivered(desk: Desk) -> str:
    delivery = desk.end_job(URL)
    desk.change(delivery, state="delivered", finished_at=1.0)
    return delivery.id


def _create_key(desk: Desk, caller: Caller, _: str, promise: Idempotency) -> Any:
    tenant = desk.service.tenants.get(caller.tenant_id).name
    return desk.service.keys.create(tenant, [Scope.LIVE], "page", idempotency=promise)


DEEDS = {
    "begin an upload": Deed(
        prepare=lambda _: "",
        do=lambda desk, caller, _, promise: desk.service.uploads.create(
            caller, size=10, idempotency=promise
        ),
        table=uploads,
    ),
    "complete an upload": Deed(
        prepare=_whole_upload,
        do=lambda desk, caller, upload_id, promise: desk.service.uploads.complete(
            caller, upload_id, idempotency=promise
        ),
        table=media,
    ),
    "make a webhook": Deed(
        prepare=lambda _: "",
        do=lambda desk, caller, _, promise: desk.service.webhooks.ensure(
            caller, dialect="native", url=URL, idempotency=promise
        ),
        table=webhooks_table,
    ),
    "deliver again": Deed(
        prepare=_delivered,
        do=lambda desk, caller, delivery_id, promise: desk.service.webhooks.redeliver(
            caller, delivery_id, idempotency=promise
        ),
        table=deliveries,
        where=(deliveries.c.state == "pending",),
    ),
    "make a key": Deed(prepare=lambda _: "", do=_create_key, table=api_keys),
    "cancel a job": Deed(
        prepare=lambda desk: desk.submit(URL).id,
        do=lambda desk, caller, job_id, promise: desk.service.jobs.cancel(
            caller, job_id, idempotency=promise
        ),
        table=jobs,
        where=(jobs.c.state == "canceled",),
    ),
}
MAKES = ("begin an upload", "make a webhook", "make a key")


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk.of(database, tmp_path)


@pytest.fixture(params=DEEDS)
def deed(request: pytest.FixtureRequest) -> Deed:
    return DEEDS[request.param]


def test_the_same_request_twice_is_done_once(desk: Desk, deed: Deed) -> None:
    about, promise = deed.prepare(desk), Promise()
    first = deed.do(desk, desk.caller, about, promise.idempotency)
    assert promise.replays == []
    again = deed.do(desk, desk.caller, about, promise.idempotency)
    assert again.id == first.id
    assert len(promise.replays) == 1
    assert deed.done(desk) == 1


def test_the_same_request_at_the_same_moment_is_done_once(desk: Desk, deed: Deed) -> None:
    about, promise = deed.prepare(desk), Promise()
    together = threading.Barrier(6)

    def ask(_: int) -> str:
        together.wait()
        return str(deed.do(desk, desk.caller, about, promise.idempotency).id)

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(ask, range(6)))
    assert len(ids) == 1
    assert len(promise.replays) == 5
    assert deed.done(desk) == 1


def test_another_request_with_the_same_key_is_refused(desk: Desk, deed: Deed) -> None:
    about = deed.prepare(desk)
    desk.service.uploads.create(desk.caller, size=1, idempotency=Promise().idempotency)
    before, other = deed.done(desk), Promise(fingerprint="f2")
    with pytest.raises(IdempotencyConflict, match="'k1' came with another request"):
        deed.do(desk, desk.caller, about, other.idempotency)
    assert (deed.done(desk), other.replays) == (before, [])


@pytest.mark.parametrize("name", MAKES)
def test_another_tenants_key_is_another(desk: Desk, name: str) -> None:
    deed, promise = DEEDS[name], Promise()
    mine = deed.do(desk, desk.caller, "", promise.idempotency)
    theirs = deed.do(desk, desk.also().caller, "", promise.idempotency)
    assert mine.id != theirs.id
    assert promise.replays == []


@contextmanager
def _dying(database: Database) -> Iterator[None]:
    """A process that dies before it commits."""

    def die(_: sa.Connection) -> None:
        raise KeyboardInterrupt

    sa.event.listen(database.engine, "commit", die)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        sa.event.remove(database.engine, "commit", die)


def test_what_was_not_done_is_not_noted_either(desk: Desk, deed: Deed) -> None:
    about, promise = deed.prepare(desk), Promise()
    with _dying(desk.service.store.database):
        deed.do(desk, desk.caller, about, promise.idempotency)
    deed.do(desk, desk.caller, about, promise.idempotency)
    assert promise.replays == []
    assert deed.done(desk) == 1


def test_a_token_is_shown_once(desk: Desk) -> None:
    keys, promise = Keys(desk.service.store), Promise().idempotency
    first = keys.create("clinic", [Scope.JOBS], "page", idempotency=promise)
    again = keys.create("clinic", [Scope.JOBS], "page", idempotency=promise)
    assert isinstance(first, NewKey)
    assert keys.authenticate(first.token).key_id == again.id
    assert not isinstance(again, NewKey)
    keys.revoke(first.id)
    late = keys.create("clinic", [Scope.JOBS], "page", idempotency=promise)
    assert late.revoked_at is not None


def test_a_request_that_was_refused_may_come_again(desk: Desk) -> None:
    uploads_, promise = desk.service.uploads, Promise()
    upload = uploads_.create(desk.caller, size=2)
    with pytest.raises(Conflict, match="1 of the 1 parts are missing"):
        uploads_.complete(desk.caller, upload.id, idempotency=promise.idempotency)
    with uploads_.part(desk.caller, upload.id, 1) as writer:
        writer.write(b"ab")
        writer.commit()
    uploads_.complete(desk.caller, upload.id, idempotency=promise.idempotency)
    assert promise.replays == []

    delivery = desk.end_job(URL)
    job, over = delivery.job_id, Promise(key="k2").idempotency
    for _ in range(2):
        with pytest.raises(JobFinished):
            desk.service.jobs.cancel(desk.caller, job, idempotency=over)

    webhooks, again = desk.service.webhooks, Promise(key="k3")
    webhooks.enable(desk.caller, delivery.webhook_id, enabled=False)
    with pytest.raises(Conflict, match="switched off"):
        webhooks.redeliver(desk.caller, delivery.id, idempotency=again.idempotency)
    webhooks.enable(desk.caller, delivery.webhook_id, enabled=True)
    webhooks.redeliver(desk.caller, delivery.id, idempotency=again.idempotency)
    assert again.replays == []


def test_an_upload_that_was_completed_answers_after_it_is_forgotten(desk: Desk) -> None:
    upload_id, promise = _whole_upload(desk), Promise()
    made = desk.service.uploads.complete(desk.caller, upload_id, idempotency=promise.idempotency)
    desk.service.uploads.sweep(made.created_at + 25 * 3600)
    known = desk.service.uploads.complete(desk.caller, upload_id, idempotency=promise.idempotency)
    assert known == made
    assert len(promise.replays) == 1
    MediaLibrary(desk.service.store).delete(desk.caller, made.id)
    with pytest.raises(NotFound, match="has been deleted"):
        desk.service.uploads.complete(desk.caller, upload_id, idempotency=promise.idempotency)


def test_a_completed_upload_is_noted_for_every_key(desk: Desk) -> None:
    upload_id = _whole_upload(desk)
    desk.service.uploads.complete(desk.caller, upload_id)
    for key in ("a", "b"):
        promise = Promise(key=key)
        desk.service.uploads.complete(desk.caller, upload_id, idempotency=promise.idempotency)
        assert promise.replays == []
    with desk.service.store.database.read() as connection:
        noted = connection.execute(sa.select(idempotency.c.key)).scalars().all()
    assert set(noted) == {"a", "b"}


def test_a_stranger_learns_nothing_by_a_key(desk: Desk) -> None:
    upload_id, promise = _whole_upload(desk), Promise().idempotency
    desk.service.uploads.complete(desk.caller, upload_id, idempotency=promise)
    stranger = replace(desk.also().caller, key_id="EK2")
    with pytest.raises(NotFound, match="no upload"):
        desk.service.uploads.complete(stranger, upload_id, idempotency=promise)

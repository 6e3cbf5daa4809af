"""Jobs and their queue, on both databases: what is acknowledged, who goes first, what ends once."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from earmark.errors import (
    AddressForbidden,
    DiskFull,
    Draining,
    Forbidden,
    IdempotencyConflict,
    InvalidOption,
    JobFinished,
    JobNotFinished,
    Kind,
    NotFound,
)
from earmark.service import (
    Caller,
    Idempotency,
    Job,
    JobError,
    JobKind,
    JobOptions,
    Jobs,
    JobState,
    Keys,
    Priority,
    Queue,
    Scope,
    Store,
    Submission,
)
from earmark.settings import Settings
from earmark.storage import Database, migrate
from earmark.storage import jobs as rows
from earmark.storage._schema import deliveries, tenants, webhooks
from stores import store_on

URL = "https://recordings.example.com/call.wav"


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Store:
    settings = Settings(data_dir=tmp_path)
    return store_on(database, settings)


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store)


@pytest.fixture
def queue(store: Store) -> Queue:
    return Queue(store)


def caller_of(store: Store, name: str = "acme", *scopes: Scope) -> Caller:
    tenant_id = str(uuid.uuid4())
    with store.database.write() as connection:
        connection.execute(
            tenants.insert().values(id=tenant_id, name=name, created_at=0.0, webhook_secret="w")
        )
    return Caller(tenant_id=tenant_id, key_id="EK1", scopes=frozenset(scopes or {Scope.JOBS}))


def submission(**changes: object) -> Submission:
    values: dict[str, object] = {"dialect": "native", "kind": JobKind.DIARIZE, "url": URL}
    return Submission(**(values | changes))  # type: ignore[arg-type]


def submit(jobs: Jobs, caller: Caller, **changes: object) -> Job:
    return jobs.submit(caller, submission(**changes)).job


def test_a_job_comes_back_as_it_was_submitted(store: Store, jobs: Jobs) -> None:
    caller = caller_of(store)
    options = JobOptions(min_speakers=2, channels=(1, 0), start=1.5, frame_confidence=True)
    job = submit(
        jobs,
        caller,
        options=options,
        priority=Priority.HIGH,
        render={"exclusive": True},
        name="call.wav",
    )
    found = jobs.get(caller, job.id)
    assert found == job
    assert (found.options, found.priority, found.url) == (options, Priority.HIGH, URL)
    assert found.render == {"exclusive": True}
    assert (found.state, found.stage, found.progress) == (JobState.QUEUED, "queued", 0)


def test_another_tenants_job_is_an_unknown_one(store: Store, jobs: Jobs) -> None:
    mine, theirs = caller_of(store, "mine"), caller_of(store, "theirs")
    job = submit(jobs, mine)
    unknown = str(uuid.uuid4())
    for look in (jobs.get, jobs.cancel, jobs.delete):
        with pytest.raises(NotFound) as foreign:
            look(theirs, job.id)
        with pytest.raises(NotFound) as missing:
            look(theirs, unknown)
        assert str(foreign.value).replace(job.id, unknown) == str(missing.value)
    assert jobs.list(theirs).items == ()
    assert jobs.get(mine, job.id).state is JobState.QUEUED


def test_dialect_and_kind_keep_jobs_apart(store: Store, jobs: Jobs) -> None:
    caller = caller_of(store)
    job = submit(jobs, caller, dialect="phonexia")
    assert jobs.get(caller, job.id, dialect="phonexia", kind=JobKind.DIARIZE) == job
    with pytest.raises(NotFound):
        jobs.get(caller, job.id, dialect="pyannoteai")
    with pytest.raises(NotFound):
        jobs.get(caller, job.id, kind=JobKind.VOICE_ACTIVITY)


def test_without_the_scope_nothing_is_done(store: Store, jobs: Jobs) -> None:
    caller = caller_of(store, "acme", Scope.LIVE)
    with pytest.raises(Forbidden, match="'jobs'"):
        submit(jobs, caller)
    with pytest.raises(Forbidden):
        jobs.list(caller)
    assert submit(jobs, caller_of(store, "admin", Scope.ADMIN))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"url": None}, InvalidOption),
        ({"url": "http://recordings.example.com/call.wav"}, AddressForbidden),
        ({"url": "https://10.0.0.7/call.wav"}, AddressForbidden),
        ({"url": "file:///etc/passwd"}, InvalidOption),
        ({"webhook": "https://[::1]/hook"}, AddressForbidden),
    ],
)
def test_what_could_never_be_run_is_refused(
    store: Store, jobs: Jobs, changes: dict[str, object], error: type[Exception]
) -> None:
    caller = caller_of(store)
    with pytest.raises(error):
        submit(jobs, caller, **changes)
    assert jobs.list(caller).total == 0


def test_a_draining_server_takes_nothing(store: Store, jobs: Jobs) -> None:
    caller = caller_of(store)
    jobs.drain()
    with pytest.raises(Draining):
        submit(jobs, caller)


def test_the_same_request_is_one_job(store: Store, jobs: Jobs) -> None:
    caller, other = caller_of(store), caller_of(store, "other")
    promise = Idempotency(key="k1", fingerprint="f1")
    first = jobs.submit(caller, submission(), idempotency=promise)
    again = jobs.submit(caller, submission(), idempotency=promise)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.job == first.job
    with pytest.raises(IdempotencyConflict, match="k1"):
        jobs.submit(caller, submission(), idempotency=Idempotency(key="k1", fingerprint="f2"))
    assert jobs.submit(other, submission(), idempotency=promise).job.id != first.job.id
    assert jobs.list(caller).total == 1


def test_the_same_request_at_the_same_moment_is_one_job(store: Store, jobs: Jobs) -> None:
    caller = caller_of(store)
    promise, start = Idempotency(key="k", fingerprint="f"), threading.Barrier(8)

    def send(_: int) -> str:
        start.wait()
        return jobs.submit(caller, submission(), idempotency=promise).job.id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(send, range(8)))) == 1
    assert jobs.list(caller).total == 1


def test_pages_follow_one_another_while_jobs_arrive(store: Store, jobs: Jobs) -> None:
    caller = caller_of(store)
    ids = [submit(jobs, caller).id for _ in range(7)]
    page = jobs.list(caller, limit=3)
    seen = [job.id for job in page.items]
    assert page.total == 7
    while page.cursor is not None:
        submit(jobs, caller)
        page = jobs.list(caller, limit=3, cursor=page.cursor)
        seen += [job.id for job in page.items]
    assert seen == ids[::-1]
    assert [job.id for job in jobs.list(caller, limit=2, offset=8).items] == ids[:1]


@pytest.mark.parametrize(
    "cursor", ["", "x", "%%%", "AAAA", "A" * 100, "gAAAAAAAAAA", "__________8"]
)
def test_a_cursor_is_one_of_ours(store: Store, jobs: Jobs, cursor: str) -> None:
    with pytest.raises(InvalidOption, match="cursor"):
        jobs.list(caller_of(store), cursor=cursor)


def test_ten_thousand_jobs_do_not_keep_another_tenant_waiting(
    store: Store, jobs: Jobs, queue: Queue
) -> None:
    many, one = caller_of(store, "many"), caller_of(store, "one")
    for _ in range(50):
        submit(jobs, many)
    running = [queue.claim("e1") for _ in range(2)]
    late = submit(jobs, one)
    following = queue.claim("e1")
    assert all(job is not None and job.tenant_id == many.tenant_id for job in running)
    assert following is not None
    assert following.id == late.id


def test_tenants_take_turns_and_priority_orders_each_ones_own(
    store: Store, jobs: Jobs, queue: Queue
) -> None:
    a, b = caller_of(store, "a"), caller_of(store, "b")
    normal = [submit(jobs, a).id for _ in range(3)]
    high = submit(jobs, a, priority=Priority.HIGH).id
    low = submit(jobs, b, priority=Priority.LOW).id
    order = []
    while (job := queue.claim("e")) is not None:
        order.append(job.id)
        assert queue.fail(job.id, "e", JobError(kind=Kind.INVALID, code="x", message="x"))
    assert order.index(low) <= 1
    assert [each for each in order if each != low] == [high, *normal]


def test_a_clock_that_was_set_back_keeps_nobody_waiting(
    store: Store, jobs: Jobs, queue: Queue
) -> None:
    served, other = caller_of(store, "served"), caller_of(store, "other")
    waiting = submit(jobs, served).id
    for _ in range(3):
        submit(jobs, other)
    tomorrow = time.time() + 24 * 3600
    with store.database.write() as connection:
        rows.update(connection, waiting, {"not_before": tomorrow})
        everyone = tenants.update().values(served_at=time.time())
        connection.execute(everyone)
        connection.execute(everyone.where(tenants.c.name == "served").values(served_at=tomorrow))
    claimed = queue.claim("e")
    assert claimed is not None
    assert claimed.id == waiting


def test_a_claim_does_not_sort_all_that_is_queued(store: Store, jobs: Jobs, queue: Queue) -> None:
    if not store.database.embedded:
        pytest.skip("PostgreSQL plans by what it has counted, which is nothing yet")
    submit(jobs, caller_of(store))
    asked = []

    @sa.event.listens_for(store.database.engine, "before_cursor_execute")
    def note(*event: Any) -> None:
        asked.append((event[2], event[3]))

    assert queue.claim("e", fetched=False) is not None
    sa.event.remove(store.database.engine, "before_cursor_execute", note)
    chosen = next(pair for pair in asked if "jobs.seq" in pair[0].partition("ORDER BY")[2])
    with store.database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {chosen[0]}", chosen[1]).all()
    assert "SEARCH" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


def test_each_job_is_claimed_once(store: Store, jobs: Jobs, queue: Queue) -> None:
    caller = caller_of(store)
    for _ in range(30):
        submit(jobs, caller)

    def drain(executor: str) -> list[str]:
        claimed = []
        misses = 0
        while misses < 3:  # on PostgreSQL two may reach for one job and one of them miss
            job = queue.claim(executor)
            if job is None:
                misses += 1
            else:
                claimed.append(job.id)
        return claimed

    with ThreadPoolExecutor(4) as pool:
        counts = Counter(id_ for ids in pool.map(drain, "wxyz") for id_ in ids)
    assert len(counts) == 30
    assert set(counts.values()) == {1}


def test_a_job_is_ended_once_by_the_one_that_runs_it(
    store: Store, jobs: Jobs, queue: Queue
) -> None:
    caller = caller_of(store)
    job = submit(jobs, caller, webhook="https://hooks.example.com/in")
    assert queue.claim("slow") is not None
    assert queue.take(job.id, "quick") is not None
    assert not queue.report(job.id, "slow", "analysing", 50)
    store.blobs.put("results/r", b"{}")
    ended = {"result_blob": "results/r", "audio_s": 1.0, "timings": {"analysing": 1.0}}
    assert not queue.succeed(job.id, "slow", **ended)  # type: ignore[arg-type]
    assert queue.succeed(job.id, "quick", **ended)  # type: ignore[arg-type]
    assert not queue.succeed(job.id, "quick", **ended)  # type: ignore[arg-type]
    assert queue.take(job.id, "third") is None
    assert jobs.document(jobs.get(caller, job.id)) == b"{}"
    assert jobs.get(caller, job.id).progress == 100
    with store.database.read() as connection:
        events = list(connection.scalars(sa.select(deliveries.c.event)))
    assert events == ["job.succeeded"]


def test_progress_never_falls(store: Store, jobs: Jobs, queue: Queue) -> None:
    caller = caller_of(store)
    job = submit(jobs, caller)
    queue.claim("e")
    for percent, shown in ((10, 10), (40, 40), (20, 40), (41, 41)):
        assert queue.report(job.id, "e", "analysing", percent)
        assert jobs.get(caller, job.id).progress == shown


def test_a_job_put_off_waits_and_one_handed_back_does_not(
    store: Store, jobs: Jobs, queue: Queue
) -> None:
    caller = caller_of(store)
    job = submit(jobs, caller)
    queue.claim("e")
    assert queue.put_off(job.id, "e", rows.LONGEST_WAIT_S)
    assert queue.claim("e") is None
    with store.database.write() as connection:
        rows.update(connection, job.id, {"not_before": time.time()})
    assert queue.claim("e") is not None
    assert queue.put_off(job.id, "e", 0.0)
    assert jobs.get(caller, job.id).state is JobState.QUEUED
    again = queue.claim("e2")
    assert again is not None
    assert again.started_at == jobs.get(caller, job.id).started_at


def test_only_beginnings_that_came_to_no_end_are_counted(
    store: Store, jobs: Jobs, queue: Queue
) -> None:
    job = submit(jobs, caller_of(store))
    for _ in range(3):
        queue.claim("e")
        assert queue.attempts(job.id) == 1
        queue.put_off(job.id, "e", 0.0)
        queue.claim("e")
        assert queue.attempts(job.id) == 1
        queue.put_off(job.id, "e", 0.0)
    queue.claim("dies")
    queue.take(job.id, "e")
    queue.take(job.id, "e")
    assert queue.attempts(job.id) == 2


@pytest.mark.parametrize("running", [False, True])
def test_a_job_can_be_canceled(store: Store, jobs: Jobs, queue: Queue, running: bool) -> None:
    caller = caller_of(store)
    job = submit(jobs, caller, webhook="https://hooks.example.com/in")
    if running:
        queue.claim("e")
    assert jobs.cancel(caller, job.id).state is JobState.CANCELED
    assert jobs.cancel(caller, job.id).state is JobState.CANCELED
    assert not queue.report(job.id, "e", "analysing", 60)
    assert queue.claim("e") is None
    with pytest.raises(JobNotFinished, match="canceled"):
        jobs.document(jobs.get(caller, job.id))
    with store.database.read() as connection:
        assert list(connection.scalars(sa.select(deliveries.c.event))) == ["job.canceled"]


def test_what_is_over_cannot_be_canceled(store: Store, jobs: Jobs, queue: Queue) -> None:
    caller = caller_of(store)
    job = submit(jobs, caller)
    queue.claim("e")
    queue.fail(job.id, "e", JobError(kind=Kind.INVALID, code="audio.empty", message="Nothing."))
    with pytest.raises(JobFinished, match="failed"):
        jobs.cancel(caller, job.id)
    failed = jobs.get(caller, job.id)
    assert failed.error == JobError(kind=Kind.INVALID, code="audio.empty", message="Nothing.")


def test_a_deleted_job_is_gone_with_its_result(store: Store, jobs: Jobs, queue: Queue) -> None:
    caller = caller_of(store)
    job = submit(jobs, caller)
    queue.claim("e")
    store.blobs.put("results/r", b"{}")
    queue.succeed(job.id, "e", result_blob="results/r", audio_s=1.0, timings={})
    jobs.delete(caller, job.id)
    with pytest.raises(NotFound):
        jobs.get(caller, job.id)
    with pytest.raises(NotFound):
        store.blobs.get("results/r")


def test_one_address_is_one_webhook(store: Store, jobs: Jobs) -> None:
    caller, other = caller_of(store), caller_of(store, "other")
    hook = "https://hooks.example.com/in"
    ids = {submit(jobs, each, webhook=hook).webhook_id for each in (caller, caller, other)}
    assert len(ids) == 2
    with store.database.read() as connection:
        secrets = list(connection.scalars(sa.select(webhooks.c.secret)))
    assert len(set(secrets)) == 2


def test_watching_tells_each_change_until_the_end(store: Store, jobs: Jobs, queue: Queue) -> None:
    caller = caller_of(store)
    job = submit(jobs, caller)
    seen: list[tuple[str, int]] = []

    async def follow() -> None:
        async for now in jobs.watch(caller, job.id):
            seen.append((now.state.value, now.progress))
            if now.state is JobState.QUEUED:
                await asyncio.to_thread(queue.claim, "e")
            elif now.progress == 0:
                await asyncio.to_thread(queue.report, job.id, "e", "analysing", 30)
            elif not now.state.over:
                error = JobError(kind=Kind.INVALID, code="x", message="x")
                await asyncio.to_thread(queue.fail, job.id, "e", error)

    asyncio.run(asyncio.wait_for(follow(), 30))
    assert seen == [("queued", 0), ("running", 0), ("running", 30), ("failed", 30)]


def test_watching_ends_with_the_key(store: Store, jobs: Jobs) -> None:
    keys = Keys(store)
    key = keys.create("acme", [Scope.JOBS], "a test's")
    caller = keys.authenticate(key.token)
    job = submit(jobs, caller)

    async def follow() -> int:
        count = 0
        async for _ in jobs.watch(caller, job.id):
            count += 1
            await asyncio.to_thread(keys.revoke, key.id)
        return count

    assert asyncio.run(asyncio.wait_for(follow(), 30)) == 1


def test_many_follow_at_once_and_each_hears_of_its_own(
    store: Store, jobs: Jobs, queue: Queue
) -> None:
    caller = caller_of(store)
    ids = [submit(jobs, caller).id for _ in range(5)]

    async def last(job_id: str) -> str:
        state = ""
        async for now in jobs.watch(caller, job_id):
            state = now.id + now.state
        return state

    async def follow() -> list[str]:
        followers = [asyncio.create_task(last(id_)) for id_ in ids for _ in range(3)]
        for id_ in ids[1:]:
            await asyncio.to_thread(jobs.cancel, caller, id_)
        await asyncio.to_thread(jobs.delete, caller, ids[0])
        return await asyncio.gather(*followers)

    ended = asyncio.run(asyncio.wait_for(follow(), 30))
    assert ended[3:] == [id_ + "canceled" for id_ in ids[1:] for _ in range(3)]
    assert set(ended[:3]) <= {ids[0] + "queued", ""}


def test_nothing_is_taken_below_the_reserve(store: Store) -> None:
    caller = caller_of(store)
    settings = store.settings.model_copy(update={"reserve_bytes": 1 << 60})
    jobs = Jobs(replace(store, settings=settings))
    with pytest.raises(DiskFull, match="reserve"):
        submit(jobs, caller)


def test_watching_ends_when_the_server_drains(store: Store, jobs: Jobs) -> None:
    caller = caller_of(store)
    job = submit(jobs, caller)

    async def follow() -> int:
        count = 0
        async for _ in jobs.watch(caller, job.id):
            count += 1
            jobs.drain()
        return count

    assert asyncio.run(asyncio.wait_for(follow(), 30)) == 1


def test_watching_ends_also_while_the_database_hangs(postgres_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    database = Database(f"{postgres_url}?options=-c%20lock_timeout%3D0")
    migrate(database)
    store = store_on(database, settings)
    caller, jobs = caller_of(store), Jobs(store)
    job = submit(jobs, caller)

    async def follow() -> list[JobState]:
        told = []
        with database.engine.connect() as hanging:
            async for each in jobs.watch(caller, job.id):
                told.append(each.state)
                hanging.execute(sa.text("LOCK TABLE jobs"))
                asyncio.get_running_loop().call_later(1.0, jobs.drain)
        return told

    assert asyncio.run(asyncio.wait_for(follow(), 15)) == [JobState.QUEUED]
    database.close()

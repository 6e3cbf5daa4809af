"""The audit log: a chain without gaps, whoever writes, and what becomes of it when altered."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from callers import new_caller
from earmark.errors import Forbidden, InvalidOption
from earmark.service import Audit, Caller, Scope, Store
from earmark.settings import Settings
from earmark.storage import Database
from stores import store_on

_WRITER = """
import sys
from earmark.service import Audit
from earmark.storage import Database
database, tenant = Database(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    with database.write() as connection:
        Audit.note(connection, tenant, sys.argv[3], "speaker.search", None, {"number": number})
"""


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Store:
    return store_on(database, Settings(data_dir=tmp_path))


@pytest.fixture
def caller(store: Store) -> Caller:
    return new_caller(store, "acme", Scope.GALLERIES)


def _note(store: Store, caller: Caller, action: str = "speaker.search", **details: object) -> None:
    with store.database.write() as connection:
        Audit.note(connection, caller.tenant_id, "EK1", action, "subject", details)


def _unguarded(store: Store, statement: str) -> None:
    """What somebody does who may do anything with the database."""
    with store.database.write() as connection:
        for name in ("audit_no_update", "audit_no_delete"):
            if store.database.embedded:
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        if not store.database.embedded:
            connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_append_only ON audit")
        connection.exec_driver_sql(statement)


def test_entries_follow_each_other_per_tenant(store: Store, caller: Caller) -> None:
    audit, other = Audit(store), new_caller(store, "other", Scope.GALLERIES)
    for number in range(3):
        _note(store, caller, number=number)
    _note(store, other, "speaker.export")
    entries = audit.list(caller).items
    assert [entry.seq for entry in entries] == [3, 2, 1]
    assert [entry.details["number"] for entry in entries] == [2, 1, 0]
    assert entries[0].previous == entries[1].hash
    assert entries[2].previous == "0" * 64
    assert [entry.action for entry in audit.list(other).items] == ["speaker.export"]
    found = audit.verify(caller)
    assert (found.entries, found.hash) == (3, entries[0].hash)
    assert (found.broken, found.reason) == (None, None)
    assert audit.verify(new_caller(store, "silent", Scope.GALLERIES)).entries == 0


def test_entries_are_listed_in_parts_and_by_what_they_say(store: Store, caller: Caller) -> None:
    audit = Audit(store)
    for number in range(5):
        _note(store, caller, "speaker.search" if number % 2 else "speaker.export")
    first = audit.list(caller, limit=3)
    rest = audit.list(caller, limit=3, cursor=first.cursor)
    assert [each.seq for each in (*first.items, *rest.items)] == [5, 4, 3, 2, 1]
    assert (first.total, rest.cursor) == (5, None)
    assert audit.list(caller, action="speaker.search").total == 2
    assert audit.list(caller, subject="subject", action="speaker.export").total == 3
    assert audit.list(caller, subject="nobody").items == ()
    for cursor in ("x", "-1", "9" * 30):
        with pytest.raises(InvalidOption, match="is no cursor"):
            audit.list(caller, cursor=cursor)
    for attempt in (audit.list, audit.verify):
        with pytest.raises(Forbidden):
            attempt(new_caller(store, "jobs", Scope.JOBS))


def test_a_transaction_that_fails_leaves_no_gap(store: Store, caller: Caller) -> None:
    def fail() -> None:
        with store.database.write() as connection:
            Audit.note(connection, caller.tenant_id, "EK1", "speaker.search")
            raise KeyError

    _note(store, caller)
    with pytest.raises(KeyError):
        fail()
    _note(store, caller)
    assert [entry.seq for entry in Audit(store).list(caller).items] == [2, 1]
    assert Audit(store).verify(caller).broken is None


@pytest.mark.parametrize(
    ("statement", "broken", "reason"),
    [
        ("UPDATE audit SET details = '{}' WHERE seq = 3", 3, "entry 3 was altered"),
        ("UPDATE audit SET actor = 'EK2' WHERE seq = 2", 2, "entry 2 was altered"),
        ("UPDATE audit SET at = at + 1 WHERE seq = 1", 1, "entry 1 was altered"),
        ("UPDATE audit SET previous = hash WHERE seq = 4", 4, "does not follow"),
        ("DELETE FROM audit WHERE seq = 2", 2, "entry 2 is missing"),
        ("DELETE FROM audit WHERE seq = 5", 5, "ends at entry 4 of 5"),
    ],
)
def test_what_was_altered_is_told(
    statement: str, broken: int, reason: str, store: Store, caller: Caller
) -> None:
    for number in range(5):
        _note(store, caller, number=number)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), store.database.write() as c:
        c.exec_driver_sql(statement)
    assert Audit(store).verify(caller).broken is None
    _unguarded(store, statement)
    found = Audit(store).verify(caller)
    assert found.broken == broken
    assert reason in str(found.reason)


@pytest.mark.parametrize(
    ("statement", "ends_at"),
    [("UPDATE audit_heads SET seq = 3", 3), ("DELETE FROM audit_heads", 0)],
)
def test_a_log_whose_end_was_altered_is_told(
    statement: str, ends_at: int, store: Store, caller: Caller
) -> None:
    for number in range(5):
        _note(store, caller, number=number)
    _unguarded(store, statement)
    found = Audit(store).verify(caller)
    assert (found.entries, found.broken) == (ends_at, ends_at + 1)
    assert found.reason == f"the log ends at entry {ends_at} of 5"


def test_what_is_written_meanwhile_raises_no_alarm(
    store: Store, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.service._audit._AT_ONCE", 2)
    for _ in range(3):
        _note(store, caller)
    reading = threading.get_ident()
    wrote: list[str] = []

    def write(_connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if threading.get_ident() == reading and "FROM audit" in statement and len(wrote) < 4:
            wrote.append(statement)
            writer = threading.Thread(target=_note, args=(store, caller))
            writer.start()
            writer.join()

    sa.event.listen(store.database.engine, "after_cursor_execute", write)
    found = Audit(store).verify(caller)
    assert (found.entries, found.reason) == (3, None)
    assert len(wrote) > 2


def test_long_logs_are_walked_in_parts(
    store: Store, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.service._audit._AT_ONCE", 3)
    for _ in range(6):
        _note(store, caller)
    assert Audit(store).verify(caller).entries == 6
    _unguarded(store, "UPDATE audit SET action = 'x' WHERE seq = 5")
    assert Audit(store).verify(caller).broken == 5


def test_threads_write_one_chain(store: Store, caller: Caller) -> None:
    together = threading.Barrier(6)

    def write() -> None:
        together.wait()
        for number in range(10):
            _note(store, caller, number=number)

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Audit(store).verify(caller)
    assert (found.entries, found.broken) == (60, None)


def test_two_processes_write_one_chain(store: Store, caller: Caller, database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, database_url, caller.tenant_id, f"EK{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    found = Audit(store).verify(caller)
    assert (found.entries, found.broken) == (40, None)
    actors = {entry.actor for entry in Audit(store).list(caller, limit=40).items}
    assert actors == {"EK0", "EK1"}

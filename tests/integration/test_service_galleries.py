"""Galleries, on both databases."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from callers import new_caller
from earmark.errors import Conflict, Forbidden, IdempotencyConflict, InvalidOption, NotFound
from earmark.service import Caller, Gallery, Idempotency, Scope, Service
from earmark.settings import Settings
from earmark.storage import Database, galleries
from stores import store_on


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(store_on(database, Settings(data_dir=tmp_path)))


@pytest.fixture
def caller(service: Service) -> Caller:
    return new_caller(service.store, "acme", Scope.GALLERIES)


def test_a_gallery_is_made_found_changed_and_deleted(service: Service, caller: Caller) -> None:
    made = service.galleries.create(caller, name="staff", description="us", details={"a": [1]})
    assert (made.key, made.dialect, made.revision) == ("staff", "native", 0)
    assert service.galleries.get(caller, made.id) == made
    assert service.galleries.get(caller, made.id, dialect="native") == made
    assert service.galleries.by_key(caller, "native", "staff") == made
    assert service.galleries.list(caller).items == (made,)
    changed = service.galleries.update(caller, made.id, name="crew", details={})
    assert (changed.name, changed.description, changed.details) == ("crew", "us", {})
    assert service.galleries.by_key(caller, "native", "crew") == changed
    service.galleries.delete(caller, made.id)
    assert service.galleries.list(caller).total == 0
    for attempt in (service.galleries.get, service.galleries.delete, service.galleries.update):
        with pytest.raises(NotFound, match="There is no gallery"):
            attempt(caller, made.id)
    actions = [entry.action for entry in service.audit.list(caller).items]
    assert actions == ["gallery.delete", "gallery.update", "gallery.create"]


def test_a_gallery_of_another_dialect_is_not_seen_by_this_one(
    service: Service, caller: Caller
) -> None:
    made = service.galleries.create(caller, name="domain", dialect="chime", gallery_id="vpd-1")
    assert (made.id, made.key) == ("vpd-1", None)
    again = service.galleries.create(caller, name="domain", dialect="chime")
    assert {each.id for each in service.galleries.list(caller, dialect="chime").items} == {
        made.id,
        again.id,
    }
    assert service.galleries.list(caller, dialect="native").items == ()
    with pytest.raises(NotFound):
        service.galleries.get(caller, made.id, dialect="native")


def test_a_native_name_is_taken_once(service: Service, caller: Caller) -> None:
    service.galleries.create(caller, name="staff")
    other = service.galleries.create(caller, name="guests")
    with pytest.raises(Conflict, match="'staff' already"):
        service.galleries.create(caller, name="staff")
    with pytest.raises(Conflict, match="'staff' already"):
        service.galleries.update(caller, other.id, name="staff")
    assert service.galleries.get(caller, other.id).name == "guests"
    assert service.galleries.create(caller, name="staff", dialect="chime").key is None


def test_a_request_that_comes_twice_makes_one_gallery(service: Service, caller: Caller) -> None:
    promise = Idempotency(key="k", fingerprint="f" * 64)
    made = service.galleries.create(caller, name="staff", idempotency=promise)
    assert service.galleries.create(caller, name="staff", idempotency=promise) == made
    other = Idempotency(key="k", fingerprint="e" * 64)
    with pytest.raises(IdempotencyConflict):
        service.galleries.create(caller, name="other", idempotency=other)


def test_many_who_ensure_one_gallery_get_the_same(service: Service, caller: Caller) -> None:
    got: list[Gallery] = []
    together = threading.Barrier(6)

    def ensure() -> None:
        together.wait()
        got.append(service.galleries.ensure(caller, dialect="deepaffects", key="-", name="all"))

    threads = [threading.Thread(target=ensure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 6
    assert len({each.id for each in got}) == 1
    assert service.audit.list(caller, action="gallery.create").total == 1


def test_galleries_are_listed_newest_first_in_parts(service: Service, caller: Caller) -> None:
    made = [service.galleries.create(caller, name=f"g{n}") for n in range(5)]
    first = service.galleries.list(caller, limit=3)
    assert (first.total, len(first.items)) == (5, 3)
    rest = service.galleries.list(caller, limit=3, cursor=first.cursor)
    assert rest.cursor is None
    assert [each.id for each in (*first.items, *rest.items)] == [g.id for g in reversed(made)]
    with pytest.raises(InvalidOption, match="'nonsense' is no cursor"):
        service.galleries.list(caller, cursor="nonsense")


def test_what_is_anothers_is_as_if_it_were_not_there(service: Service, caller: Caller) -> None:
    made = service.galleries.create(caller, name="staff")
    stranger = new_caller(service.store, "stranger", Scope.GALLERIES)
    for attempt in (service.galleries.get, service.galleries.delete, service.galleries.update):
        with pytest.raises(NotFound) as foreign:
            attempt(stranger, made.id)
        with pytest.raises(NotFound) as unknown:
            attempt(stranger, "unknown")
        assert str(foreign.value).replace(made.id, "unknown") == str(unknown.value)
    with pytest.raises(NotFound):
        service.galleries.by_key(stranger, "native", "staff")
    assert service.galleries.list(stranger).items == ()
    assert service.galleries.create(stranger, name="staff").id != made.id


def test_a_key_without_the_scope_opens_nothing(service: Service) -> None:
    caller = new_caller(service.store, "jobs", Scope.JOBS)
    for attempt in (service.galleries.get, service.galleries.delete, service.galleries.update):
        with pytest.raises(Forbidden):
            attempt(caller, "any")
    with pytest.raises(Forbidden):
        service.galleries.create(caller, name="staff")
    with pytest.raises(Forbidden):
        service.galleries.list(caller)


def test_names_are_text_that_can_be_printed(service: Service, caller: Caller) -> None:
    for name, why in (
        ("", "1 to 256 characters"),
        ("  ", "1 to 256 characters"),
        ("x" * 257, "1 to 256 characters"),
        ("a\nb", r"control character \(U\+000A at place 2\)"),
        ("a\0", r"U\+0000"),
        ("\udcff", r"U\+DCFF"),
    ):
        with pytest.raises(InvalidOption, match=why):
            service.galleries.create(caller, name=name)


def test_names_of_all_scripts_are_kept(service: Service, caller: Caller) -> None:
    for name in ("x" * 256, "Zoë & Søn", "می‌خواهم", "👩‍👧"):
        assert service.galleries.create(caller, name=name).name == name


def test_descriptions_and_details_have_a_size(service: Service, caller: Caller) -> None:
    with pytest.raises(InvalidOption, match="0 to 1024 characters, and this one 1025"):
        service.galleries.create(caller, name="g", description="d" * 1025)
    with pytest.raises(InvalidOption, match="bytes of JSON, and 16384 are kept"):
        service.galleries.create(caller, name="g", details={"a": "x" * 16384})
    with pytest.raises(InvalidOption, match="cannot be written as JSON"):
        service.galleries.create(caller, name="g", details={"a": float("nan")})


def test_changes_are_numbered_without_gaps(service: Service, caller: Caller) -> None:
    gallery = service.galleries.create(caller, name="staff")
    together = threading.Barrier(4)

    def change(number: int) -> None:
        together.wait()
        for turn in range(5):
            with service.store.database.write() as connection:
                galleries.touch(connection, gallery.id, [f"{number}-{turn}-a", f"{number}-{turn}"])

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with service.store.database.read() as connection:
        changes = galleries.changes(connection, gallery.id, 0, 100)
        assert [row["revision"] for row in changes] == list(range(1, 41))
        assert len(galleries.changes(connection, gallery.id, 33, 100)) == 7
    assert len({row["speaker_id"] for row in changes}) == 40
    assert service.galleries.get(caller, gallery.id).revision == 40

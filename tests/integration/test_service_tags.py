"""Tags under requests that come at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from callers import new_caller
from earmark.errors import InvalidOption
from earmark.service import MAX_TAGS, Service
from earmark.settings import Settings
from earmark.storage import Database
from stores import store_on


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(store_on(database, Settings(data_dir=tmp_path / "data")))


def test_rivals_that_set_the_same_new_tags_both_succeed(service: Service) -> None:
    caller, rivals = new_caller(service.store), 8
    begin = Barrier(rivals)

    def put(number: int) -> None:
        keys = [f"key {key}" for key in range(20)]
        begin.wait()
        for resource in ("a", "b", "c"):
            ordered = keys if number % 2 else keys[::-1]
            service.tags.put(caller, resource, dict.fromkeys(ordered, str(number)))

    with ThreadPoolExecutor(rivals) as threads:
        list(threads.map(put, range(rivals)))
    for resource in ("a", "b", "c"):
        assert len(set(service.tags.list(caller, resource).values())) == 1


def test_a_thing_has_only_so_many_tags(service: Service) -> None:
    caller = new_caller(service.store)
    service.tags.put(caller, "a", {str(key): "old" for key in range(MAX_TAGS)})
    service.tags.put(caller, "a", {"0": "new"})
    with pytest.raises(InvalidOption, match="remove some"):
        service.tags.put(caller, "a", {"one more": ""})
    found = service.tags.list(caller, "a")
    assert (len(found), found["0"]) == (MAX_TAGS, "new")

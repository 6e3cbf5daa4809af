"""Keys and tenants in PostgreSQL, where nothing keeps writers apart but what the code locks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from earmark.errors import Unauthenticated
from earmark.service import Keys, Scope, Store, Tenants
from earmark.settings import Settings


@pytest.fixture
def store(postgres_url: str, tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(Settings(data_dir=tmp_path, database_url=SecretStr(postgres_url)))
    yield opened
    opened.close()


def _together(act: Callable[[], object], times: int = 8) -> list[object]:
    """What the same act came to in several threads that begin at once."""
    results: list[object] = []
    barrier = threading.Barrier(times)

    def run() -> None:
        barrier.wait()
        results.append(act())

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == times
    return results


def test_several_first_starts_at_once_make_one_key(store: Store) -> None:
    Tenants(store).ensure("default")  # a tenant may be there before any key is
    tokens = [token for token in _together(Keys(store).bootstrap) if token]
    assert len(tokens) == len(Keys(store).list()) == 1
    assert Keys(store).authenticate(str(tokens[0])).scopes == {Scope.ADMIN}


def test_one_tenant_of_a_name_is_made(store: Store) -> None:
    made = _together(lambda: Tenants(store).ensure("clinic"))
    assert len(set(made)) == 1


def test_a_key_lives_from_making_to_revoking(store: Store) -> None:
    keys = Keys(store)
    made = keys.create("clinic", [Scope.JOBS], "a")
    assert keys.authenticate(made.token).key_id == made.id
    assert [key.id for key in keys.list("clinic")] == [made.id]
    keys.revoke(made.id)
    with pytest.raises(Unauthenticated):
        keys.authenticate(made.token)

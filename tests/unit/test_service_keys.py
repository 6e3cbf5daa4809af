from __future__ import annotations

import string
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import InvalidOption, NotFound, Unauthenticated
from earmark.service._keys import Keys
from earmark.service._model import Scope
from earmark.service._store import Store
from earmark.service._tenants import Tenants
from earmark.service._token import check_token, generate_id, generate_token
from earmark.settings import Settings
from earmark.storage._schema import api_keys


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(Settings(data_dir=tmp_path))
    yield opened
    opened.close()


def _with(store: Store, **settings: str) -> Keys:
    """The keys of the same database under other settings."""
    changed = Settings.model_validate({"data_dir": store.settings.data_dir, **settings})
    return Keys(replace(store, settings=changed))


def test_a_token_has_its_form() -> None:
    token = generate_token()
    assert len(token) == 43
    assert token.startswith("em_")
    assert set(token[3:]) <= set(string.ascii_letters + string.digits)
    check_token(token)
    assert generate_token() != token


@given(place=st.integers(0, 42), other=st.characters())
def test_any_one_wrong_character_is_told(place: int, other: str) -> None:
    token = generate_token()
    wrong = token[:place] + other + token[place + 1 :]
    if wrong != token:
        with pytest.raises(Unauthenticated, match=r"mistyped|would begin"):
            check_token(wrong)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "0", lambda t: t[:3], str.upper]
)
def test_a_token_cut_or_changed_is_told(change: object) -> None:
    assert callable(change)
    with pytest.raises(Unauthenticated):
        check_token(change(generate_token()))


def test_ids_are_fit_to_be_access_key_ids() -> None:
    made = {generate_id() for _ in range(100)}
    assert len(made) == 100
    for each in made:
        assert len(each) == 20
        assert each.startswith("EK")
        assert set(each) <= set(string.ascii_uppercase + string.digits)


def test_a_key_is_its_tenants_with_its_scopes_until_revoked(store: Store) -> None:
    keys = Keys(store)
    made = keys.create("clinic", [Scope.JOBS, Scope.LIVE], "night run")
    caller = keys.authenticate(made.token)
    assert (caller.tenant_id, caller.key_id) == (made.tenant_id, made.id)
    assert caller.scopes == {Scope.JOBS, Scope.LIVE}
    assert Tenants(store).get(made.tenant_id).name == "clinic"
    assert keys.create("clinic", [Scope.ADMIN], "b").tenant_id == made.tenant_id
    assert keys.create("other", [Scope.ADMIN], "c").tenant_id != made.tenant_id

    revoked = keys.revoke(made.id)
    assert revoked.revoked_at is not None
    assert keys.revoke(made.id) == revoked
    with pytest.raises(Unauthenticated, match="not known here or is revoked"):
        keys.authenticate(made.token)


def test_what_no_key_says_what_to_do(store: Store) -> None:
    keys = Keys(store)
    for token, message in [
        (None, "A key is needed"),
        ("", "A key is needed"),
        ("sk-something", "no key of Earmark"),
        (generate_token(), "not known here"),
    ]:
        with pytest.raises(Unauthenticated, match=message):
            keys.authenticate(token)


def test_a_mistyped_key_does_not_reach_the_database(store: Store) -> None:
    keys = Keys(store)
    store.close()
    api_keys.drop(store.database.engine)
    with pytest.raises(Unauthenticated, match="mistyped"):
        keys.authenticate(generate_token()[:-1] + "!")


def test_the_database_holds_no_token(store: Store, tmp_path: Path) -> None:
    token = Keys(store).create("clinic", [Scope.JOBS], "a").token
    store.close()
    kept = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    assert b"clinic" in kept
    assert token.encode() not in kept
    assert token[3:-6].encode() not in kept


def test_keys_are_void_under_another_secret(store: Store) -> None:
    token = Keys(store).create("clinic", [Scope.JOBS], "a").token
    other = replace(store, secret=b"x" * 32)
    with pytest.raises(Unauthenticated):
        Keys(other).authenticate(token)


def test_lists_are_newest_first_and_by_tenant(store: Store) -> None:
    keys = Keys(store)
    first = keys.create("clinic", [Scope.JOBS], "first")
    second = keys.create("radio", [Scope.JOBS], "second")
    assert [key.id for key in keys.list()] == [second.id, first.id]
    (only,) = keys.list("clinic")
    assert (only.id, only.tenant, only.name) == (first.id, "clinic", "first")
    assert keys.list("nobody") == ()


def test_unknown_keys_cannot_be_revoked(store: Store) -> None:
    with pytest.raises(NotFound, match="no key 'EKX'"):
        Keys(store).revoke("EKX")


@pytest.mark.parametrize(
    ("tenant", "scopes", "name", "message"),
    [
        ("", [Scope.JOBS], "a", "cannot be the name of a tenant"),
        ("a b", [Scope.JOBS], "a", "cannot be the name of a tenant"),
        ("x" * 65, [Scope.JOBS], "a", "cannot be the name of a tenant"),
        ("a", [], "a", "without a scope"),
        ("a", [Scope.JOBS], "", "1 to 200 characters"),
        ("a", [Scope.JOBS], "x" * 201, "1 to 200 characters"),
    ],
)
def test_bad_keys_are_refused_and_leave_nothing(
    store: Store, tenant: str, scopes: list[Scope], name: str, message: str
) -> None:
    with pytest.raises(InvalidOption, match=message):
        Keys(store).create(tenant, scopes, name)
    assert Keys(store).list() == ()


def test_the_first_start_makes_one_admin_key(store: Store) -> None:
    keys = Keys(store)
    token = keys.bootstrap()
    assert token is not None
    assert keys.authenticate(token).scopes == {Scope.ADMIN}
    (key,) = keys.list()
    assert key.tenant == "default"
    assert keys.bootstrap() is None
    keys.revoke(key.id)
    assert keys.bootstrap() is None


def test_several_first_starts_at_once_make_one_key(store: Store) -> None:
    made: list[str | None] = []
    together = threading.Barrier(6)

    def start() -> None:
        together.wait()
        made.append(Keys(store).bootstrap())

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    assert len([token for token in made if token]) == 1
    assert len(Keys(store).list()) == 1


def test_a_given_first_key_is_taken_and_not_shown(store: Store) -> None:
    token = generate_token()
    keys = _with(store, bootstrap_key=token)
    assert keys.bootstrap() is None
    assert keys.bootstrap() is None
    caller = keys.authenticate(token)
    assert caller.scopes == {Scope.ADMIN}
    keys.revoke(str(caller.key_id))
    assert keys.bootstrap() is None
    with pytest.raises(Unauthenticated):
        keys.authenticate(token)
    assert _with(store, bootstrap_key=generate_token()).bootstrap() is None
    assert len(keys.list()) == 2


def test_a_given_first_key_must_be_one(store: Store) -> None:
    with pytest.raises(InvalidOption, match="EARMARK_BOOTSTRAP_KEY holds no valid key") as raised:
        _with(store, bootstrap_key="hunter2").bootstrap()
    assert "hunter2" not in str(raised.value)
    assert Keys(store).list() == ()


def test_without_a_key_only_where_the_settings_name_a_tenant(store: Store) -> None:
    assert Keys(store).anonymous() is None
    keys = _with(store, anonymous_tenant="lobby")
    caller = keys.anonymous()
    assert caller is not None
    assert caller == keys.anonymous()
    assert caller.key_id is None
    assert Scope.ADMIN not in caller.scopes
    assert Tenants(store).get(caller.tenant_id).name == "lobby"


def test_tenants_are_made_once_and_changed(store: Store) -> None:
    tenants = Tenants(store)
    made = tenants.ensure("clinic")
    assert tenants.ensure("clinic") == made
    assert made.retention_s is None
    changed = tenants.update(made.id, retention_s=3600.0)
    assert (changed.retention_s, changed.webhook_secret) == (3600.0, made.webhook_secret)
    assert tenants.update(made.id, webhook_secret="whs_x").retention_s == 3600.0
    assert tenants.update(made.id, retention_s=None) == tenants.get(made.id)
    assert tenants.get(made.id).retention_s is None
    with pytest.raises(NotFound):
        tenants.get("nobody")
    with pytest.raises(NotFound):
        tenants.update("nobody", retention_s=1.0)
    for wrong in (-1.0, float("inf"), float("nan")):
        with pytest.raises(InvalidOption):
            tenants.update(made.id, retention_s=wrong)
    for text in ("", "x" * 129):
        with pytest.raises(InvalidOption):
            tenants.update(made.id, webhook_secret=text)

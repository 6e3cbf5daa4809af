"""Where data keys are, what encrypts them, and that deleted ones are not on the disk any more."""

from __future__ import annotations

import base64
import json
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from pydantic import SecretStr

from earmark.errors import EarmarkError, InvalidOption, KeyringError
from earmark.settings import Settings
from earmark.storage import Database, Vault, _backup, generate_master_key, migrate
from earmark.storage._keyring import Keyring
from postgres import Postgres


def settings_of(folder: Path, **more: str | None) -> Settings:
    return Settings.model_validate({"data_dir": folder / "data", **more})


def opened(settings: Settings) -> Keyring:
    return Keyring.open(settings)


def allowed() -> None:
    """Nothing speaks against a new data key."""


@pytest.fixture(params=["file", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "file":
        return settings_of(tmp_path)
    return settings_of(tmp_path, keyring_url=request.getfixturevalue("postgres_url"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'data' / 'earmark.db'}")) as embedded:
        migrate(embedded)
        yield embedded


def test_it_lies_beside_the_data_folder_for_its_owner_alone(tmp_path: Path) -> None:
    with closing(opened(settings_of(tmp_path))) as keyring:
        keyring.make("june", allowed)
    file, master = tmp_path / "data.keyring" / "keyring.db", tmp_path / "data" / "master.key"
    assert [each.name for each in file.parent.iterdir()] == ["keyring.db"]  # no journal stays
    for path in (file, master):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(base64.b64decode(master.read_text())) == 32


def test_neither_a_data_key_nor_what_is_left_of_a_deleted_one_is_in_the_file(
    tmp_path: Path,
) -> None:
    file = tmp_path / "data.keyring" / "keyring.db"
    with closing(opened(settings_of(tmp_path))) as keyring:
        keys = {owner: keyring.make(owner, allowed) for owner in map(str, range(60))}
        with keyring._reading() as connection:
            rows = connection.exec_driver_sql("SELECT owner, wrapped FROM data_keys").all()
        wrapped: dict[str, bytes] = {owner: data for owner, data in rows}  # noqa: C416
        content = file.read_bytes()
        assert all(wrapped[owner] in content and key not in content for owner, key in keys.items())
        gone = [owner for owner in keys if int(owner) % 3]
        assert keyring.delete(gone) == len(gone)
        content = file.read_bytes()
        for owner in keys:
            assert (wrapped[owner] in content) == (owner not in gone)
        assert [each.name for each in file.parent.iterdir()] == ["keyring.db"]
        assert keyring.keys(keys) == {owner: keys[owner] for owner in keys.keys() - set(gone)}


def test_a_data_key_is_made_once_however_many_ask(settings: Settings) -> None:
    made: set[bytes] = set()
    with closing(opened(settings)) as one, closing(opened(settings)) as two:
        assert one.id == two.id
        threads = [
            threading.Thread(target=lambda ring=ring: made.add(ring.make("june", allowed)))
            for ring in (one, two) * 4
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == {one.keys(["june"])["june"]}


def test_several_processes_that_start_at_once_share_one_keyring(tmp_path: Path) -> None:
    program = (
        "from earmark.settings import Settings; from earmark.storage._keyring import Keyring;"
        "import sys; from pathlib import Path;"
        "ring = Keyring.open(Settings(data_dir=Path(sys.argv[1])));"
        "print(ring.id, ring.make('june', lambda: None).hex())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = [process.communicate(timeout=120)[0] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert len(set(told)) == 1


@pytest.mark.parametrize("keys", ["", "short", "AAAA", "?" * 44, "no key, no key"])
def test_what_is_no_master_key_is_refused_without_being_told(tmp_path: Path, keys: str) -> None:
    with pytest.raises(InvalidOption, match="EARMARK_MASTER_KEY") as refused:
        opened(settings_of(tmp_path, master_key=keys))
    assert keys == "" or keys not in str(refused.value)


def test_a_wrong_master_key_says_what_to_do(settings: Settings) -> None:
    right, wrong = generate_master_key(), generate_master_key()
    with closing(opened(settings.model_copy(update=_master(right)))) as keyring:
        key = keyring.make("june", allowed)
        (right_id,) = keyring.masters()
    for each in (_master(wrong), {}):  # also a file that is made anew
        with pytest.raises(KeyringError, match=f"another master key \\({right_id}\\)") as refused:
            opened(settings.model_copy(update=each))
        assert right not in str(refused.value)
    both = settings.model_copy(update=_master(f"{wrong}, {right}"))
    with closing(opened(both)) as keyring:
        assert keyring.keys(["june"]) == {"june": key}


def test_a_keyring_without_keys_takes_another_master_key_and_then_no_other(
    settings: Settings,
) -> None:
    with closing(opened(settings)) as keyring:
        first = keyring.id
        (settings.data_dir / "master.key").unlink()
        with closing(opened(settings)) as again:  # with a file that was made anew
            assert again.id == first
            again.make("june", allowed)
        other = settings.model_copy(update=_master(generate_master_key()))
        with pytest.raises(KeyringError, match="another master key"):
            opened(other)


def test_no_data_key_is_made_under_a_master_key_that_others_lack(settings: Settings) -> None:
    one, two = (settings.model_copy(update=_master(generate_master_key())) for _ in range(2))
    with closing(opened(one)) as early, closing(opened(two)) as late:
        late.make("june", allowed)
        with pytest.raises(KeyringError, match="another master key"):
            early.make("carla", allowed)


def test_a_rotated_master_key_is_not_needed_any_more(
    settings: Settings, database: Database
) -> None:
    old, new = generate_master_key(), generate_master_key()
    before = settings.model_copy(update=_master(old))
    after = settings.model_copy(update=_master(f"{new},{old}"))
    with closing(Vault.unlock(before, database)) as vault:
        sealed = {
            owner: vault.seal(owner, owner.encode(), purpose="p") for owner in map(str, range(50))
        }
    with closing(Vault.unlock(after, database)) as vault:
        sealed["late"] = vault.seal("late", b"late", purpose="p")
        assert list(vault.status().masters.values()) == [1, 50]
        assert vault.rotate() == 50
        assert list(vault.status().masters.values()) == [51, 0]
        assert vault.rotate() == 0
    alone = settings.model_copy(update=_master(new))
    with closing(Vault.unlock(alone, database)) as vault:
        for owner, data in sealed.items():
            assert vault.open(owner, data, purpose="p") == owner.encode()
    with pytest.raises(KeyringError, match="another master key"):
        Vault.unlock(before, database)


def test_a_key_file_is_rotated_beside_a_server_that_goes_on(
    settings: Settings, database: Database
) -> None:
    file = settings.data_dir / "master.key"
    with closing(Vault.unlock(settings, database)) as server:
        early = server.seal("early", b"early", purpose="p")
        old = file.read_text()
        with closing(Vault.unlock(settings, database)) as rotating:
            assert rotating.rotate() == 1
        assert file.read_text() != old
        assert len(base64.b64decode(file.read_text())) == 32
        assert server.open("early", early, purpose="p") == b"early"
        late = server.seal("late", b"late", purpose="p")  # not with the key that was rotated away
    with closing(Vault.unlock(settings, database)) as vault:
        assert vault.open("early", early, purpose="p") == b"early"
        assert vault.open("late", late, purpose="p") == b"late"
        assert list(vault.status().masters.values()) == [2]


def test_a_rotation_that_was_cut_short_costs_no_data_key_and_is_taken_up(
    settings: Settings,
) -> None:
    class Short(Keyring):
        """Goes no further than to begin."""

        def _rotate_some(self) -> int:
            raise KeyringError("cut short")

    class Overtaken(Keyring):
        """Somebody else begins when this one has only begun."""

        def _rotate_some(self) -> int:
            if not overtaken:
                overtaken.append(True)
                with pytest.raises(KeyringError, match="cut short"):
                    short.rotate()
            return super()._rotate_some()

    overtaken: list[bool] = []
    with closing(Short.open(settings)) as short, closing(Overtaken.open(settings)) as keyring:
        keys = {owner: keyring.make(owner, allowed) for owner in map(str, range(20))}
        assert keyring.rotate() == 20
    with closing(opened(settings)) as again:
        assert again.keys(keys) == keys
        assert again.rotate() == 20
        assert list(again.masters().values()) == [20]


def test_processes_that_rotate_at_once_lose_no_data_key(settings: Settings) -> None:
    with closing(opened(settings)) as keyring:
        keys = {owner: keyring.make(owner, allowed) for owner in map(str, range(50))}
    program = (
        "import json, sys; from earmark.settings import Settings;"
        "from earmark.storage._keyring import Keyring;"
        "ring = Keyring.open(Settings(**json.loads(sys.argv[1])));"
        "[ring.rotate() for _ in range(10)]"
    )
    url = settings.keyring_url
    named = {"data_dir": str(settings.data_dir), "keyring_url": url and url.get_secret_value()}
    command = [sys.executable, "-c", program, json.dumps(named)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    with closing(opened(settings)) as again:
        assert again.keys(keys) == keys
        assert list(again.masters().values()) == [50]


def test_a_backup_has_the_master_key_of_its_keyring(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, keys = settings_of(tmp_path), tmp_path / "keys.db"
    copied = _backup._copy_database

    def after_a_rotation_if_possible(source: Path, target: Path) -> None:
        if target == keys:
            with suppress(sqlite3.OperationalError), closing(sqlite3.connect(source)) as held:
                held.execute("PRAGMA busy_timeout = 0")
                held.execute("BEGIN IMMEDIATE")
                held.rollback()
                keyring.rotate()
        copied(source, target)

    monkeypatch.setattr(_backup, "_copy_database", after_a_rotation_if_possible)
    with closing(opened(settings)) as keyring:
        key = keyring.make("june", allowed)
        _backup.back_up(settings, tmp_path / "copy", keyring=keys)
        assert keyring.rotate() == 1  # nothing is held any more
    copy = Settings.model_validate({"data_dir": tmp_path / "copy", "keyring_url": keys.as_uri()})
    with closing(opened(copy)) as keyring:
        assert keyring.keys(["june"]) == {"june": key}


def test_places_that_cannot_be_right_are_refused(tmp_path: Path) -> None:
    inside = (tmp_path / "data" / "keys.db").as_uri()
    for url, why in (
        (inside, "in the data folder"),
        ("mysql://somewhere/keys", "neither a file"),
        ("keyring.db", "neither a file"),
        ("file:keyring.db", "names no file"),
        (tmp_path.as_uri(), "names no file"),
        ("file://host/keyring.db", "names no file"),
    ):
        with pytest.raises(InvalidOption, match=why):
            opened(settings_of(tmp_path, keyring_url=url))


def test_the_servers_own_database_is_no_keyring(postgres: Postgres, tmp_path: Path) -> None:
    with postgres.fresh() as own, postgres.fresh() as other:
        shared = settings_of(tmp_path, keyring_url=f"{own}?application_name=x", database_url=own)
        with pytest.raises(InvalidOption, match="server's own database"):
            opened(shared)
        opened(settings_of(tmp_path, keyring_url=other, database_url=own)).close()


def test_a_keyring_that_does_not_answer_is_told_of_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://someone:hidden@127.0.0.1:1/none"
    with pytest.raises(KeyringError, match="EARMARK_KEYRING_URL") as refused:
        opened(settings_of(tmp_path, keyring_url=url))
    assert "hidden" not in str(refused.value)
    (tmp_path / "file").touch()
    with pytest.raises(KeyringError, match="EARMARK_KEYRING_URL"):
        opened(settings_of(tmp_path, keyring_url=(tmp_path / "file" / "keyring.db").as_uri()))


def test_a_damaged_keyring_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "keyring.db"
    file.write_bytes(b"this is no database" * 1000)
    with pytest.raises(EarmarkError, match="keyring"):
        opened(settings_of(tmp_path, keyring_url=file.as_uri()))


def _master(keys: str) -> dict[str, object]:
    return {"master_key": SecretStr(keys)}


def test_a_keyring_that_was_deleted_meanwhile_is_told_of(tmp_path: Path) -> None:
    with closing(opened(settings_of(tmp_path))) as keyring:
        keyring.make("june", allowed)
        (tmp_path / "data.keyring" / "keyring.db").unlink()
        keyring._database.engine.dispose()  # as when another connection is opened
        with pytest.raises(KeyringError, match="has lost its tables"):
            keyring.keys(["june"])

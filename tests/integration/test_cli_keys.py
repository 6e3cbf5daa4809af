from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from earmark.errors import Unauthenticated
from earmark.service import Keys, Scope, Store
from earmark.service._token import check_token
from earmark.settings import Settings


def _keys(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "earmark", "keys", *arguments],
        env=os.environ | {"EARMARK_DATA_DIR": str(data_dir), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _json(data_dir: Path, *arguments: str) -> Any:
    done = _keys(data_dir, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_generate_prints_a_valid_key_and_touches_nothing(tmp_path: Path) -> None:
    first, second = (_keys(tmp_path / "data", "generate") for _ in range(2))
    assert first.returncode == 0
    check_token(first.stdout.strip())
    assert first.stdout != second.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_pair_that_boto3_signs_with_is_printed_again(tmp_path: Path) -> None:
    made = _json(tmp_path, "create", "calls", "--scope", "galleries")
    key, secret = made["key"]["id"], made["key"]["secret"]
    shown = _keys(tmp_path, "secret", key).stdout.splitlines()
    assert shown == [f"AWS_ACCESS_KEY_ID={key}", f"AWS_SECRET_ACCESS_KEY={secret}"]
    assert _json(tmp_path, "secret", key)["key"] == {"id": key, "secret": secret}
    other = _json(tmp_path, "create", "calls")["key"]
    assert other["secret"] != secret
    _keys(tmp_path, "revoke", key)
    refused = _keys(tmp_path, "secret", key)
    assert refused.returncode != 0
    assert "revoked" in refused.stderr


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    made = _keys(tmp_path, "create", "night run", "--tenant", "clinic", "--scope", "jobs",
                 "--scope", "live")  # fmt: skip
    token = made.stdout.strip()
    store = Store.open(Settings(data_dir=tmp_path))
    caller = Keys(store).authenticate(token)
    assert caller.scopes == {Scope.JOBS, Scope.LIVE}
    assert str(caller.key_id) in made.stderr
    assert "clinic" in made.stderr
    assert str(tmp_path) in made.stderr

    listed = _keys(tmp_path, "list").stdout
    assert all(word in listed for word in (str(caller.key_id), "clinic", "night run", "good"))
    assert token not in listed

    none = _keys(tmp_path, "list", "--tenant", "bakery")
    assert (none.returncode, none.stdout) == (0, "")
    assert str(tmp_path) in none.stderr

    revoked = _keys(tmp_path, "revoke", str(caller.key_id))
    assert revoked.returncode == 0
    with pytest.raises(Unauthenticated):
        Keys(store).authenticate(token)
    store.close()
    assert "revoked" in _keys(tmp_path, "list").stdout


def test_programs_get_json(tmp_path: Path) -> None:
    made = _json(tmp_path, "create", "a [red]name")
    assert made["schema"] == "earmark.key/1"
    key = made["key"]
    check_token(key.pop("token"))
    assert len(key.pop("secret")) == 43
    assert key["scopes"] == ["jobs"]
    assert (key["tenant"], key["name"], key["revoked_at"]) == ("default", "a [red]name", None)
    assert _json(tmp_path, "list") == {"schema": "earmark.keys/1", "keys": [key]}
    assert _json(tmp_path, "list", "--tenant", "nobody")["keys"] == []
    revoked = _json(tmp_path, "revoke", key["id"])["key"]
    assert revoked["revoked_at"].endswith("Z")
    assert revoked | {"revoked_at": None} == key


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["revoke", "EKNONE"], 1, "There is no key 'EKNONE'"),
        (["create", "x", "--tenant", "a b"], 2, "cannot be the name of a tenant"),
        (["create", "x", "--scope", "root"], 2, "'root' is not one of"),
        (["create", ""], 2, "1 to 200 characters"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    done = _keys(tmp_path, *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr

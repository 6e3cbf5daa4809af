"""The keyring from the command line, and that copies of the data come without it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from callers import new_caller
from earmark.errors import Gone
from earmark.service import Caller, NewConsent, Scope, Service, Speaker
from earmark.settings import Settings
from earmark.storage import generate_master_key
from voices import a_voice, voices_of

AGREED = NewConsent(subject="the person", text="You may recognise me by my voice.")


def earmark(
    data_dir: Path, *arguments: str, exit_code: int = 0, **more: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "earmark", *arguments],
        env=os.environ | {"EARMARK_DATA_DIR": str(data_dir)} | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == exit_code, done.stderr
    return done


def status(data_dir: Path, *, exit_code: int = 0, **more: str) -> dict[str, Any]:
    done = earmark(data_dir, "keyring", "status", "--json", exit_code=exit_code, **more)
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


@contextmanager
def opened(data_dir: Path, **more: str) -> Iterator[Service]:
    with closing(Service.open(Settings.model_validate({"data_dir": data_dir, **more}))) as service:
        yield service


def enrol(service: Service, number: int) -> tuple[Caller, Speaker]:
    caller = new_caller(service.store, f"tenant {number}", Scope.GALLERIES)
    gallery = service.galleries.create(caller, name="staff")
    speaker = service.speakers.create(caller, gallery.id, name="Ada", consent=AGREED)
    service.enrolment.enroll_voiceprint(caller, speaker.id, a_voice(number))
    return caller, speaker


def test_generate_prints_a_master_key_and_touches_nothing(tmp_path: Path) -> None:
    first, second = (earmark(tmp_path / "data", "keyring", "generate").stdout for _ in range(2))
    assert first != second
    assert list(tmp_path.iterdir()) == []
    shown = status(tmp_path / "data", EARMARK_MASTER_KEY=first.strip())
    assert (shown["data_keys"], shown["foreign"]) == (0, None)


def test_the_status_tells_what_is_there_and_what_is_lacking(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with opened(data) as service:
        _, speaker = enrol(service, 1)
        assert status(data)["data_keys"] == 1  # beside a server
        service.store.vault.forget(speaker.id)
    shown = status(data, exit_code=1)
    assert (shown["schema"], shown["data_keys"], shown["lacking"]) == ("earmark.keyring/1", 0, 1)
    told = earmark(data, "keyring", "status", exit_code=1)
    assert f"keyring: {tmp_path / 'data.keyring' / 'keyring.db'}" in told.stdout
    assert "lack theirs: 1" in told.stdout


def test_a_master_key_is_rotated_beside_a_server(tmp_path: Path) -> None:
    data, old, new = tmp_path / "data", generate_master_key(), generate_master_key()
    with opened(data, master_key=f"{old},{new}") as service:
        caller, speaker = enrol(service, 1)
        rotated = earmark(data, "keyring", "rotate", EARMARK_MASTER_KEY=f"{new},{old}")
        assert rotated.stdout.startswith("1 data keys were under another master key")
        assert new not in rotated.stdout
        assert voices_of(service, caller, speaker.id) == (a_voice(1),)
    assert list(status(data, EARMARK_MASTER_KEY=new)["masters"].values()) == [1]
    refused = earmark(data, "keyring", "status", exit_code=1, EARMARK_MASTER_KEY=old)
    assert "another master key" in refused.stderr
    assert old not in refused.stderr


def test_a_lost_keyring_is_replaced_only_when_that_is_said(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with opened(data) as service:
        enrol(service, 1)
    shutil.rmtree(tmp_path / "data.keyring")
    assert status(data, exit_code=1)["foreign"] is not None
    refused = earmark(data, "keyring", "adopt", exit_code=1)
    assert "encrypted with another keyring" in refused.stderr
    assert "from now on" in earmark(data, "keyring", "adopt", "--yes").stdout
    shown = status(data, exit_code=1)
    assert (shown["foreign"], shown["lacking"]) == (None, 1)
    assert "already" in earmark(data, "keyring", "adopt").stdout


def test_a_backup_opens_beside_the_keyring_only_and_not_for_the_erased(tmp_path: Path) -> None:
    data, copy, keys = tmp_path / "data", tmp_path / "copy", tmp_path / "keys" / "friday.db"
    with opened(data) as service:
        erased, kept = enrol(service, 1), enrol(service, 2)
        told = earmark(data, "backup", str(copy))
        assert "holds no data keys" in told.stdout
        assert not list(copy.rglob("keyring*"))
        for place in (copy / "again", copy / "keyring.db"):
            earmark(data, "backup", str(copy), "--keyring", str(place), exit_code=1)
        inside = tmp_path / "new" / "keyring.db"
        earmark(data, "backup", str(inside.parent), "--keyring", str(inside), exit_code=2)
        told = earmark(data, "backup", str(tmp_path / "both"), "--keyring", str(keys))
        assert "remove older copies" in told.stdout
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
        service.speakers.erase(erased[0], erased[1].id)
    shutil.rmtree(data)
    shutil.copytree(copy, data)  # the keyring is today's
    with opened(data) as service:
        assert voices_of(service, kept[0], kept[1].id) == (a_voice(2),)
        with pytest.raises(Gone):
            voices_of(service, erased[0], erased[1].id)
    # What the documentation warns of: a copy of the keyring, kept, brings the voiceprint back.
    with opened(tmp_path / "both", keyring_url=keys.as_uri()) as service:
        assert voices_of(service, erased[0], erased[1].id) == (a_voice(1),)

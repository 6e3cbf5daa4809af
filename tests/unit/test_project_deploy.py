"""The container image and the systemd unit: what can be checked of them without running either."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from earmark.settings import Settings
from earmark.storage._keyring import keyring_file

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "earmark.service"
INSTRUCTIONS = [
    line
    for line in (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]


def test_the_image_copies_only_what_is_here_and_let_through() -> None:
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    sources = [
        name
        for line in INSTRUCTIONS
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    ]
    assert sources
    for name in sources:
        assert (ROOT / name).exists()
        assert Path(name).parts[0] in let_through


def test_the_image_runs_without_root_and_tells_its_health() -> None:
    last_stage = INSTRUCTIONS[[i for i, line in enumerate(INSTRUCTIONS) if "FROM" in line][-1] :]
    assert any(re.fullmatch(r"USER (?!root)\w+", line) for line in last_stage)
    health = next(line for line in last_stage if line.startswith("HEALTHCHECK"))
    command = json.loads(health[health.index("[") :])
    assert "/readyz" in command[-1]
    compile(command[-1], "HEALTHCHECK", "exec")


def test_settings_of_image_and_unit_exist() -> None:
    known = {f"EARMARK_{name.upper()}" for name in Settings.model_fields}
    for text in ("\n".join(INSTRUCTIONS), UNIT.read_text(), (ROOT / "docs/deploy.md").read_text()):
        named = set(re.findall(r"\bEARMARK_[A-Z_]+\b(?!\*)", text))
        assert named
        assert named <= known


@pytest.mark.parametrize("text", ["\n".join(INSTRUCTIONS), UNIT.read_text()], ids=["image", "unit"])
def test_the_keyring_is_on_storage_that_stays_and_not_with_the_data(text: str) -> None:
    (data_dir,) = re.findall(r"\bEARMARK_DATA_DIR=(\S+)", text)
    keyring = keyring_file(Settings(data_dir=Path(data_dir)))
    assert keyring is not None
    assert keyring.is_relative_to("/var/lib/earmark")
    assert not keyring.is_relative_to(data_dir)


def test_the_unit_leaves_the_server_its_grace() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read(UNIT)
    assert float(unit["Service"]["TimeoutStopSec"]) > Settings().shutdown_grace_s


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: the systemd unit")
    copy = tmp_path / "earmark.service"
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text()))
    checked = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert not checked.stderr

"""Without a network: no socket is opened and no process started, whatever is there or missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from model_wheels import TOYS, toy_shop

# Any attempt to reach out ends the process with code 99, even where its error would be caught.
WATCHED = """
import os, sys

def watch(event, args):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.system", "os.posix_spawn"):
        print("reached out:", event, args, file=sys.stderr, flush=True)
        os._exit(99)

sys.addaudithook(watch)
"""
ASK = (
    WATCHED
    + """
from pathlib import Path
from earmark.errors import ModelError
from earmark.models import ModelStore, read_catalogue

models = read_catalogue(Path(sys.argv[1]).read_text())
for ask in ("path", "pull", "verify", "states"):
    store = ModelStore(models=models)
    try:
        found = store.path("toy-small") if ask == "path" else getattr(store, ask)()
        print(ask, "ok")
    except ModelError as error:
        print(ask, type(error).__name__)
"""
)


def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> str:
    shop = toy_shop(tmp_path / "shop")
    (tmp_path / "catalogue.toml").write_text(shop.text)
    monkeypatch.setenv("EARMARK_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("EARMARK_OFFLINE", "1")
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "catalogue.toml")],
        capture_output=True,
        text=True,
    )
    assert result.stderr == ""
    assert result.returncode == 0
    return result.stdout


def test_with_every_model_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    for name, content in TOYS.items():
        (tmp_path / "models" / f"{name}.bin").write_bytes(content)
    answers = ask(tmp_path, monkeypatch, ASK)
    assert answers.splitlines() == ["path ok", "pull ok", "verify ok", "states ok"]


def test_with_none_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ask(tmp_path, monkeypatch, ASK)
    assert answers.splitlines() == [
        "path ModelMissing",
        "pull ModelMissing",
        "verify ok",
        "states ok",
    ]
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    "reach", ["socket.socket()", "subprocess.Popen(['true'])", "socket.getaddrinfo('x', 1)"]
)
def test_the_watch_sees_who_reaches_out(reach: str) -> None:
    script = f"{WATCHED}\nimport socket, subprocess\n{reach}"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 99
    assert "reached out" in result.stderr

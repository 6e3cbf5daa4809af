"""The code blocks of the README and the first pages of the docs run as they stand.

``console`` blocks hold commands behind ``$ ``, ``python`` blocks whole programs; both find a
meeting.wav in the current folder. ``sh`` blocks install, which a test cannot: the verbs they name
must exist.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/index.md", "docs/quickstart.md", "docs/errors.md", "docs/settings.md")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: where it stands, its language, its text."""

    where: str
    language: str
    text: str


def _blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for fence in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, fence.start()) + 1
            found.append(Block(where=f"{page}:{line}", language=fence[1], text=fence[2]))
    return found


BLOCKS = _blocks()


def _of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


@pytest.fixture
def desk(tmp_path: Path, sample_wav: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a meeting.wav, the `earmark` command, and no network."""
    shutil.copy(sample_wav, tmp_path / "meeting.wav")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("EARMARK_OFFLINE", "true")
    return tmp_path


@pytest.mark.parametrize("block", _of("console"), ids=lambda block: block.where)
def test_commands_run(block: Block, desk: Path) -> None:
    commands = re.findall(r"^\$ (.+)$", block.text, re.MULTILINE)
    assert commands
    for command in commands:
        run = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, f"{command}\n{run.stdout}\n{run.stderr}"
        assert run.stdout or "--output" in command, command


@pytest.mark.parametrize("block", _of("python"), ids=lambda block: block.where)
def test_programs_run(block: Block, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block.text, block.where, "exec"), {"__name__": "__main__"})
    if "print(" in block.text:
        assert capsys.readouterr().out


def test_the_verbs_of_the_makefile_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {
        verb
        for page in PAGES
        for verb in re.findall(
            r"(?m)(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8")
        )
    }
    assert named
    assert not [verb for verb in named if not re.search(rf"^{verb}:", makefile, re.MULTILINE)]


def test_every_block_is_of_a_known_language() -> None:
    assert {block.language for block in BLOCKS} <= {"bash", "console", "python", "sh", "text"}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150

"""The code blocks of the README and the first pages of the docs run as they stand.

``console`` blocks hold commands behind ``$ ``, ``python`` blocks whole programs; both find a
meeting.wav and an ada.wav in the current folder. ``earmark serve`` is started, and has to become
ready and to end well. Other blocks that name the address and key of a server get those of one that
is running.
``sh`` blocks install, which a test cannot: the verbs they name must exist.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from earmark.settings import get_settings
from people import alone
from server import running

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/index.md",
    "docs/quickstart.md",
    "docs/python.md",
    "docs/live.md",
    "docs/errors.md",
    "docs/settings.md",
)
ADDRESS, KEY = "http://127.0.0.1:8000", "em_…"
FIRST_START: dict[str, str | None] = {"EARMARK_BOOTSTRAP_KEY": None}


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
def desk(
    tmp_path: Path, sample_wav: Path, sample_rttm: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The current folder, the `earmark` command, and no network.

    There are a meeting.wav, and an ada.wav: what one of its people says in the first half.
    """
    shutil.copy(sample_wav, tmp_path / "meeting.wav")
    (tmp_path / "ada.wav").write_bytes(alone(sample_wav, sample_rttm, until_s=15.0))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("EARMARK_OFFLINE", "true")
    monkeypatch.setenv("EARMARK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("EARMARK_RESERVE_BYTES", "0")
    get_settings.cache_clear()  # programs run in this process
    yield tmp_path
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[tuple[str, str]]:
    """Where a server listens that was started for the first time, and the key that it printed."""
    with running(tmp_path_factory.mktemp("served"), settings=FIRST_START) as server:
        yield server.url, _printed_key(server.said)


def _printed_key(said: str) -> str:
    found = re.search(r"^ +(em_\S+)$", said, re.MULTILINE)
    assert found is not None, said
    return found[1]


def _at_home(block: Block, request: pytest.FixtureRequest) -> str:
    """The text of a block, with the server that it names replaced by one that is there."""
    if ADDRESS not in block.text:
        return block.text
    url, key = request.getfixturevalue("served")
    assert KEY in block.text, f"{block.where} has no {KEY} to be replaced"
    return block.text.replace(ADDRESS, url).replace(KEY, key)


@pytest.mark.parametrize("block", _of("console"), ids=lambda block: block.where)
def test_commands_run(block: Block, desk: Path, request: pytest.FixtureRequest) -> None:
    commands = re.findall(r"^\$ (.+)$", _at_home(block, request), re.MULTILINE)
    assert commands
    for command in commands:
        if command.startswith("earmark serve"):
            _serve(command, desk)
            continue
        run = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, f"{command}\n{run.stdout}\n{run.stderr}"
        assert run.stdout or "--output" in command, command


def _serve(command: str, desk: Path) -> None:
    options = shlex.split(command)[2:]
    with running(desk / "served", *options, settings=FIRST_START) as server:
        assert _printed_key(server.said)
        assert server.stop() == 0, server.log


@pytest.mark.parametrize("block", _of("python"), ids=lambda block: block.where)
def test_programs_run(
    block: Block, desk: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    program = compile(_at_home(block, request), block.where, "exec")
    exec(program, {"__name__": "__main__"})
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
    known = {"bash", "console", "json", "python", "sh", "text"}
    assert {block.language for block in BLOCKS} <= known


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120


def test_the_pages_that_the_readme_names_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []

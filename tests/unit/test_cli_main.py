from __future__ import annotations

import subprocess
import sys
import time
from importlib import import_module
from importlib.metadata import version

import pytest
import typer
from typer.testing import CliRunner

import earmark
from earmark.cli._main import COMMANDS, ExitCode, app, exit_code
from earmark.errors import (
    AudioNotFound,
    Canceled,
    DiskFull,
    EarmarkError,
    InvalidOption,
    ModelCorrupt,
    ModelDownloadFailed,
)

_HEAVY = ("av", "numpy", "onnx", "onnxruntime", "rich", "scipy", "soxr")


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["diarize", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    loaded = _python(
        "import sys\nfrom earmark.cli._main import app\n"
        f"try: app({arguments!r}, prog_name='earmark')\n"
        f"except SystemExit: print([m for m in {_HEAVY!r} if m in sys.modules])"
    )
    assert loaded.splitlines()[-1] == "[]"


def test_importing_earmark_loads_nothing_heavy() -> None:
    assert _python(f"import sys, earmark; print([m for m in {_HEAVY!r} if m in sys.modules])") == (
        "[]\n"
    )


def test_help_comes_fast() -> None:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "earmark", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.3


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"earmark {version('earmark')}\n")
    assert earmark.__version__ == version("earmark")


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(app, ["diarise"])
    assert result.exit_code == ExitCode.USAGE
    assert "No such command 'diarise'" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_says_what_each_says(name: str) -> None:
    subcommand = import_module(COMMANDS[name].module).app
    command = typer.main.get_command(subcommand)
    first = (command.help or "").strip().splitlines()[0]
    assert COMMANDS[name].help == first


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidOption("x"), 2),
        (ModelCorrupt("x"), 3),
        (ModelDownloadFailed("x"), 3),
        (AudioNotFound("x"), 1),
        (DiskFull("x"), 1),
        (Canceled("x"), 130),
    ],
)
def test_exit_codes(error: EarmarkError, code: int) -> None:
    assert exit_code(error) == code


def test_public_names_are_listed_and_others_refused() -> None:
    assert set(earmark.__all__) <= set(dir(earmark))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        earmark.nothing  # noqa: B018

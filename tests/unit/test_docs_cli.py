"""docs/cli.md and docs/python.md say what the program says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import typer

from earmark.cli._diarize import app
from earmark.cli._main import COMMANDS, ExitCode
from earmark.diarization import FORMATS, Diarization

DOCS = Path(__file__).parents[2] / "docs"
CLI = (DOCS / "cli.md").read_text(encoding="utf-8")
PYTHON = (DOCS / "python.md").read_text(encoding="utf-8")


def _rows(section: str) -> dict[str, str]:
    """First cell -> last cell of the first table after a heading (or in the whole text)."""
    text = CLI.split(f"# {section}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table is not None
    cells = [re.split(r" ?(?<!\\)\| ?", line)[1:-1] for line in table[0].splitlines()[2:]]
    return {row[0]: row[-1] for row in cells}


def test_the_options_are_those_of_the_program_in_its_words() -> None:
    options = {
        opt: getattr(param, "help", None)
        for param in typer.main.get_command(app).params
        if param.param_type_name == "option" and param.name != "help"
        for opt in param.opts
    }
    said = {
        name: text
        for cell, text in _rows("earmark diarize").items()
        for name in re.findall(r"(?<![\w-])--?[a-z]+", cell)
    }
    assert said == options


def test_the_exit_codes_are_all_there() -> None:
    assert [int(code) for code in _rows("Exit codes")] == sorted(ExitCode)


def test_the_formats_are_all_there() -> None:
    table = re.findall(r"^\| `(\w+)` \| `(\.\w+)` \|", CLI, re.MULTILINE)
    assert table == [(name, each.extension) for name, each in FORMATS.items()]


def test_the_commands_are_all_there() -> None:
    rows = _rows("Command line")
    assert list(rows) == [f"`earmark {name}`" for name in COMMANDS]
    for name, command in COMMANDS.items():
        assert rows[f"`earmark {name}`"].startswith(command.help)


def test_the_json_example_is_what_is_written() -> None:
    example = re.search(r"```json\n(.*?)```", PYTHON, re.DOTALL)
    assert example is not None
    result = Diarization.from_json(example[1])
    assert result.to_json(voiceprints=False) == example[1]
    assert json.loads(example[1])["schema"] in CLI


def test_every_member_of_a_result_is_described() -> None:
    members = [name for name in dir(Diarization) if not name.startswith("_")]
    assert [
        name for name in members if f"`{name}" not in PYTHON and f".{name}(" not in PYTHON
    ] == []

"""docs/cli.md and docs/python.md say what the program says."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from earmark.cli._main import COMMANDS, ExitCode
from earmark.diarization import FORMATS, Diarization, SpeechActivity

DOCS = Path(__file__).parents[2] / "docs"
CLI = (DOCS / "cli.md").read_text(encoding="utf-8")
PYTHON = (DOCS / "python.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    """What stands under a heading, up to the next one."""
    return re.split(r"(?m)^#+ ", CLI.split(f"# {title}\n", 1)[1])[0]


def _tables(title: str) -> list[list[list[str]]]:
    """The cells of each row of each table of a section, without the head."""
    return [
        [re.split(r" ?(?<!\\)\| ?", line)[1:-1] for line in table.splitlines()[2:]]
        for table in re.findall(r"(?m)(?:^\|.*\n)+", _section(title))
    ]


def _rows(title: str) -> dict[str, str]:
    """First cell -> last cell of the first table of a section."""
    return {row[0]: row[-1] for row in _tables(title)[0]}


def _command(name: str) -> Any:
    return typer.main.get_command(import_module(COMMANDS[name].module).app)


def _options(command: Any) -> dict[str, str | None]:
    """Each option of a command, and its help."""
    return {
        opt: param.help
        for param in command.params
        if param.param_type_name == "option" and param.name != "help"
        for opt in param.opts
    }


def _arguments(command: Any) -> list[str]:
    return [param.metavar for param in command.params if param.param_type_name == "argument"]


@pytest.mark.parametrize("name", ["diarize", "serve", "worker", "backup"])
def test_the_options_are_those_of_the_program_in_its_words(name: str) -> None:
    said = {
        option: text
        for table in _tables(f"earmark {name}")
        for cell, text in table
        for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", cell)
    }
    assert said == _options(_command(name))


@pytest.mark.parametrize("group", ["keys", "keyring", "gallery"])
def test_the_commands_of_a_group_are_those_of_the_program_in_its_words(group: str) -> None:
    known = _command(group).commands
    commands, options = _tables(f"earmark {group}")
    assert {cell.strip("`"): text for cell, text in commands} == {
        " ".join([f"earmark {group}", name, *_arguments(command)]): command.help.partition("\n\n")[
            0
        ]
        for name, command in known.items()
    }
    said: dict[str, dict[str, str]] = {name: {} for name in known}
    for option, of, text in options:
        for name in re.findall(r"`(\w+)`", of):
            for flag in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", option):
                said[name][flag] = text
    assert said == {name: _options(command) for name, command in known.items()}


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


def test_the_json_examples_are_what_is_written() -> None:
    turns, speech = re.findall(r"```json\n(.*?)```", PYTHON, re.DOTALL)
    assert Diarization.from_json(turns).to_json(voiceprints=False) == turns
    assert json.loads(turns)["schema"] in CLI
    assert SpeechActivity.from_json(speech).to_json() == speech


@pytest.mark.parametrize("result", [Diarization, SpeechActivity])
def test_every_member_of_a_result_is_described(result: type) -> None:
    pages = {
        Diarization: PYTHON.split("## Voice activity\n")[0],
        SpeechActivity: PYTHON.split("## Voice activity\n")[1],
    }
    text = pages[result]
    members = [name for name in dir(result) if not name.startswith("_")]
    assert [name for name in members if f"`{name}" not in text and f".{name}(" not in text] == []

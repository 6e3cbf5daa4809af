"""What the commands of ``earmark bench`` share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli._files import write_whole
from earmark.errors import InvalidOption
from earmark.settings import get_settings

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["JsonFile", "eval_dir", "numbers", "wide", "write_document"]

JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON, too.")
]


def wide() -> Console:
    """Standard output, with room for the tables also where lines are short or have no width."""
    from rich.console import Console

    return Console(width=max(132, Console().width))


def eval_dir() -> Path:
    """The folder of EARMARK_EVAL_DIR. Raises `InvalidOption` when there is none."""
    folder = get_settings().eval_dir
    if folder is None:
        raise InvalidOption("Name the data to be measured on, or set EARMARK_EVAL_DIR.")
    return folder


def numbers(option: str, text: str) -> list[float]:
    """What stands between commas. Raises `InvalidOption` for what is no number."""
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InvalidOption(f"{option} takes numbers such as 1,2,4, not {text!r}.") from None


def write_document(path: Path | None, document: Mapping[str, Any]) -> None:
    """Write a report as JSON, if a file was named."""
    if path is not None:
        write_whole(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")

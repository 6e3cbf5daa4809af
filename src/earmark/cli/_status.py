"""One line on standard error that says what is going on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

__all__ = ["status"]


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """Takes each step as it begins: one changing line in a terminal, else a line each."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda step: typer.echo(step, err=True)
        return
    with console.status("") as line:
        yield lambda step: line.update(step)

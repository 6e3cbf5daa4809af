"""What standard error shows while files are worked on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Show", "Ticker", "progress_bars"]

Ticker = Callable[[str, float], None]
"""Called with the stage and the fraction done, 0..1."""


class Show:
    """Progress of several files, and lines of text that do not tear the bars apart."""

    def __init__(self, bars: Progress | None, files: int) -> None:
        self._bars = bars
        self._printing = threading.Lock()
        self._total = None
        if bars is not None and files > 1:
            self._total = bars.add_task(f"{files} recordings", total=files)

    @contextmanager
    def file(self, name: str) -> Iterator[Ticker]:
        """A bar for one file, as long as it is worked on."""
        if self._bars is None:
            yield _ignore
            return
        bars = self._bars
        task = bars.add_task(name, total=1.0)
        try:
            yield lambda stage, fraction: bars.update(
                task, completed=fraction, description=f"{name}: {stage}"
            )
        finally:
            bars.remove_task(task)
            if self._total is not None:
                bars.advance(self._total)

    def say(self, line: str) -> None:
        """A line on standard error."""
        if self._bars is None:
            typer.echo(line, err=True)
        else:
            self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def print(self, text: str) -> None:
        """Text on standard output, with the bars out of the way meanwhile."""
        with self._printing:
            if self._bars is not None:
                self._bars.stop()
            sys.stdout.write(text)
            sys.stdout.flush()
            if self._bars is not None:
                self._bars.start()


def _ignore(stage: str, fraction: float) -> None:
    """Nobody watches."""


@contextmanager
def progress_bars(*, files: int, quiet: bool) -> Iterator[Show]:
    """Bars on standard error when it is a terminal, nothing otherwise; gone at the end."""
    if quiet or not sys.stderr.isatty():
        yield Show(None, files)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    columns = (
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    bars = Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        expand=True,
        redirect_stdout=False,  # rich would send it to standard error
    )
    with bars:
        yield Show(bars, files)

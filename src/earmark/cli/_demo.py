"""``earmark demo``: who spoke when in a sample recording, beside what people wrote down."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from earmark.bench import COLLAR, Score, map_speakers, score
from earmark.cli._demo_recognition import recognise
from earmark.cli._models import pull_models
from earmark.cli._progress import progress_bars
from earmark.cli._timeline import axis_text, lane_text
from earmark.client import Client
from earmark.diarization import Diarization, Turn
from earmark.errors import Unavailable
from earmark.models import ModelStore, catalogue
from earmark.service import generate_token

__all__ = ["app", "beside", "demo"]

app = typer.Typer(
    add_completion=False, help="Show who spoke when in a sample recording, beside the truth."
)

_COLOURS = ("cyan", "magenta", "yellow", "green")

_KEPT_SETTINGS = frozenset(
    f"EARMARK_{name}"
    for name in ("MODELS_DIR", "MODELS_SOURCE", "MODELS_MIRROR", "OFFLINE", "PROVIDER", "THREADS")
)
"""The demo's server takes these from the environment; the rest is for other servers."""

Names = Mapping[str, str]
"""Earmark's name of a speaker -> the same person's name in the reference."""


@app.command()
def demo() -> None:
    """Diarize a telephone call of 30 seconds and show the result beside what people wrote down.

    Then enrol who speaks most in its first half, find them in the second, and erase them again. A
    server is started for it, on a free port and with a data folder of its own, and stopped in the
    end. The models and the recording are fetched when they are not there yet.
    """
    models = catalogue().models.values()
    files = pull_models(
        ModelStore(), [model.id for model in models if model.default or model.task == "demo"]
    )
    with _server() as (url, key), Client(url, key) as client:
        began = perf_counter()
        found = _diarize(client, files["sample-recording"])
        seconds = perf_counter() - began
        truth = Diarization.from_rttm(files["sample-reference"], duration=found.duration)
        regions = [(0.0, found.duration)]
        mapping = map_speakers(truth.turns, found.turns, regions=regions)
        names = {speaker: person for (_, speaker), person in mapping.items()}
        _show(
            truth,
            found,
            names=names,
            score=score(truth.turns, found.turns, regions=regions),
            seconds=seconds,
        )
        typer.echo()
        for line in recognise(client, files["sample-recording"], found, names):
            typer.echo(line)
        typer.echo("Now yours: earmark diarize FILE")


@contextmanager
def _server() -> Iterator[tuple[str, str]]:
    """The address of a server that runs meanwhile, and a key for it."""
    key = generate_token()
    with TemporaryDirectory(prefix="earmark-demo-") as folder:
        log = Path(folder) / "server.log"
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("EARMARK_") or name in _KEPT_SETTINGS
        } | {
            "EARMARK_DATA_DIR": str(Path(folder) / "data"),
            "EARMARK_BOOTSTRAP_KEY": key,
            "EARMARK_RESERVE_BYTES": "0",
            "EARMARK_WORKER_SLOTS": "1",
            "EARMARK_SHUTDOWN_GRACE_S": "5",
        }
        command = [sys.executable, "-m", "earmark", "serve", "--port", "0", "--grpc-port", "0"]
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as process,
        ):
            try:
                yield _address(process, log), key
            finally:
                process.terminate()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    """Where the server says that it listens."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"listens on (http\S+)", line):
            return found[1]
    why = (log.read_text(encoding="utf-8", errors="replace").strip() or "no reason given").split(
        "\n"
    )
    raise Unavailable(f"The server of the demo did not start: {why[-1]}")


def _diarize(client: Client, recording: Path) -> Diarization:
    with progress_bars(files=1, quiet=False) as show, show.file(recording.name) as tick:
        job = client.diarize(recording)
        job.wait(on_progress=lambda stage, percent: tick(stage, percent / 100))
    return Diarization.from_json(job.export("json"))


def beside(
    truth: Iterable[Turn], found: Iterable[Turn], *, names: Names
) -> list[tuple[Turn | None, Turn | None]]:
    """Each true turn with the found turn of the same person that covers most of it, by time.

    What has no counterpart stands alone: a missed turn, or one that nobody spoke.
    """
    left = list(found)
    rows: list[tuple[Turn | None, Turn | None]] = []
    for turn in truth:
        same = [each for each in left if names.get(each.speaker) == turn.speaker]
        best = max(same, key=lambda each: _shared(turn, each), default=None)
        if best is not None and _shared(turn, best) > 0:
            left.remove(best)
            rows.append((turn, best))
        else:
            rows.append((turn, None))
    rows += [(None, turn) for turn in left]
    return sorted(rows, key=lambda row: min(turn.start for turn in row if turn is not None))


def _show(
    truth: Diarization, found: Diarization, *, names: Names, score: Score, seconds: float
) -> None:
    console = Console(highlight=False)
    people = list(truth.speakers)
    colours = {person: _COLOURS[i % len(_COLOURS)] for i, person in enumerate(people)}
    colours |= {speaker: colours[names[speaker]] for speaker in found.speakers if speaker in names}
    console.print(
        f"A telephone call of {found.duration:.0f} seconds between {len(people)} people;"
        f" Earmark heard {len(found.speakers)}.\n"
    )
    _print_lanes(console, truth, found, names=names, colours=colours)
    console.print()
    console.print(_table(truth, found, names=names, colours=colours))
    console.print()
    console.print(_verdict(score), soft_wrap=True)
    console.print(
        f"{found.duration:.0f} s of sound took {seconds:.1f} s, by way of a server.",
        soft_wrap=True,
    )


_MARGIN = 26  # room for "Earmark found" and a speaker's name


def _print_lanes(
    console: Console,
    truth: Diarization,
    found: Diarization,
    *,
    names: Names,
    colours: Mapping[str, str],
) -> None:
    people = list(truth.speakers)
    speakers = sorted(
        found.speakers, key=lambda each: people.index(names[each]) if each in names else len(people)
    )
    width = max(10, console.width - _MARGIN - 1)
    for who, result, lanes in (
        ("people wrote", truth, people),
        ("Earmark found", found, speakers),
    ):
        for index, speaker in enumerate(lanes):
            line = Text(f"{who if index == 0 else '':15}{speaker:11}")
            turns = [turn for turn in result if turn.speaker == speaker]
            lane = lane_text(turns, start=0.0, end=found.duration, width=width)
            console.print(line.append(lane, style=colours.get(speaker, "")), soft_wrap=True)
    axis = axis_text(start=0.0, end=found.duration, width=width)
    console.print(" " * _MARGIN + axis, style="dim", soft_wrap=True)


def _table(
    truth: Diarization, found: Diarization, *, names: Names, colours: Mapping[str, str]
) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 4, 0, 0))
    table.add_column("people wrote", no_wrap=True, min_width=27)
    table.add_column("Earmark found", no_wrap=True)
    for row in beside(truth, found, names=names):
        table.add_row(*(_line(turn, colours) for turn in row))
    return table


def _line(turn: Turn | None, colours: Mapping[str, str]) -> Text:
    if turn is None:
        return Text("–", style="dim")
    line = Text(f"{turn.start:6.2f} – {turn.end:5.2f} s  ")
    return line.append(turn.speaker, style=colours.get(turn.speaker, ""))


def _verdict(score: Score) -> str:
    errors = score.strict
    parts = {
        "missed": errors.miss,
        "false alarm": errors.false_alarm,
        "wrong speaker": errors.confusion,
    }
    shares = ", ".join(f"{name} {part / errors.speech:.1%}" for name, part in parts.items())
    return (
        f"[bold]Diarization error rate (DER) {errors.rate:.1%}[/] of the speech"
        f" ({score.lenient.rate:.1%} give or take {COLLAR} s):\n{shares}."
    )


def _shared(one: Turn, other: Turn) -> float:
    """Seconds that both turns cover."""
    return max(0.0, min(one.end, other.end) - max(one.start, other.start))

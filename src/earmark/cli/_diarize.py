"""``earmark diarize``: who spoke when, as a timeline, as text, as a page."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli._options import Damage, Format, parse_channels, parse_time
from earmark.cli._plan import STDIN, Job, plan
from earmark.errors import InvalidOption

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def diarize(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES", help="Recordings; - is standard input.", show_default=False
        ),
    ],
    speakers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Exactly so many people speak.", show_default=False),
    ] = None,
    minimum: Annotated[
        int | None,
        typer.Option("--min", min=1, metavar="N", help="At least so many.", show_default=False),
    ] = None,
    maximum: Annotated[
        int | None,
        typer.Option("--max", min=1, metavar="N", help="At most so many.", show_default=False),
    ] = None,
    channels: Annotated[
        str,
        typer.Option(
            metavar="mix|split|0,2|mix:0,2",
            help="All channels as one, each by itself, these (from 0) each by itself, or these"
            " as one.",
        ),
    ] = "mix",
    start: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Begin there: 90, 1:30 or 1:02:03.5.", show_default=False
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="End there.", show_default=False)
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="About twice as fast, a little less accurate.")
    ] = False,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="What to write. By default a terminal gets a timeline, anything else RTTM.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Write a file per recording into this folder; what is there already and up to "
            "date is skipped.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="PAGE.html",
            help="Also write one self-contained page with waveform, lanes and sound; a folder "
            "of pages when there are several recordings.",
            show_default=False,
        ),
    ] = None,
    exclusive: Annotated[
        bool, typer.Option("--exclusive", help="Write one speaker at a time, without overlap.")
    ] = False,
    voiceprints: Annotated[
        bool, typer.Option("--voiceprints", help="Put the voiceprints (biometric data) into JSON.")
    ] = False,
    jobs: Annotated[
        int, typer.Option(min=0, metavar="N", help="Recordings at once; 0 chooses.")
    ] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Do it again, and replace what is there.")
    ] = False,
    damaged: Annotated[
        Damage,
        typer.Option(help="A recording that breaks off: refuse it, or use what can be read."),
    ] = Damage.ERROR,
    offline: Annotated[
        bool, typer.Option("--offline", help="Open no socket; models must be there already.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only errors on standard error.")
    ] = False,
) -> None:
    """Find out who spoke when in recordings.

    Reads whatever FFmpeg reads. Without --output the result goes to standard output. Speakers are
    called SPEAKER_00, SPEAKER_01, ... in order of first appearance (CH0_SPEAKER_00 ... per channel
    when channels are analysed by themselves).

    Exit codes: 0 all done, 1 a recording failed (the others are done), 2 wrong usage, 3 a model
    cannot be had, 130 interrupted.
    """
    from earmark.cli._batch import run_jobs
    from earmark.cli._work import Analysis, Worker, Writing

    worker = Worker(
        analysis=Analysis(
            speakers=speakers,
            min_speakers=minimum,
            max_speakers=maximum,
            channels=parse_channels(channels),
            start=None if start is None else parse_time(start),
            end=None if end is None else parse_time(end),
            damaged="warn" if damaged is Damage.WARN else "error",
            fast=fast,
            voiceprints=voiceprints,
        ),
        writing=Writing(
            format=_format(format_, output, len(files)),
            exclusive=exclusive,
            voiceprints=voiceprints,
            compact=output is None and len(files) > 1,
        ),
        force=force,
        quiet=quiet,
    )
    worker.analysis.check()
    planned = plan(files, output=output, extension=worker.writing.extension, report=report)
    with _stdin_copied(planned) as ready:
        raise typer.Exit(run_jobs(ready, worker, workers=jobs, offline=offline))


def _format(asked: Format | None, output: Path | None, files: int) -> Format | None:
    """The format to write; None is the timeline. Raises `InvalidOption`."""
    if output is not None:
        return asked or Format.RTTM
    if sys.stdout is None:
        raise InvalidOption("Standard output is closed; name a folder for the results: --output.")
    if asked is None:
        return None if sys.stdout.isatty() else Format.RTTM
    if files > 1 and asked not in (Format.RTTM, Format.JSON):
        raise InvalidOption(
            f"{files} recordings in {asked} cannot share standard output; "
            "name a folder for them with --output."
        )
    return asked


@contextmanager
def _stdin_copied(jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
    """Standard input as a temporary file, because it is read more than once."""
    if all(job.source != STDIN for job in jobs):
        yield jobs
        return
    if sys.stdin is None or sys.stdin.isatty():
        what = "closed" if sys.stdin is None else "a terminal"
        raise InvalidOption(f"- reads a recording from standard input, which is {what} here.")
    with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
        copy = Path(folder) / "stdin"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield [replace(job, source=copy) if job.source == STDIN else job for job in jobs]

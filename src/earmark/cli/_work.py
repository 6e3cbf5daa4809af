"""What ``earmark diarize`` does with one recording."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from earmark.cli._files import Origin, Record, State, file_sha256, write_whole
from earmark.cli._options import Channels, Format
from earmark.cli._plan import Job
from earmark.cli._progress import Show
from earmark.diarization import FORMATS, Diarization, Diarizer, Progress
from earmark.errors import InvalidInput, InvalidOption

__all__ = ["Analysis", "Printer", "Worker", "Writing", "about"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """The options that change what is found."""

    speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    channels: Channels = "mix"
    start: float | None = None
    end: float | None = None
    damaged: Literal["error", "warn"] = "error"
    fast: bool = False
    voiceprints: bool = False

    def check(self) -> None:
        """Raise `InvalidOption` for options that contradict each other."""
        low, high = self.min_speakers, self.max_speakers
        if self.speakers is not None and (low is not None or high is not None):
            raise InvalidOption("--speakers is the exact number; leave --min and --max out.")
        if low is not None and high is not None and low > high:
            raise InvalidOption(f"--min {low} is more than --max {high}.")
        if self.end is not None and self.end <= (self.start or 0.0):
            raise InvalidOption(f"--end {self.end:g} s is not after --start {self.start or 0:g} s.")

    def run(
        self, diarizer: Diarizer, job: Job, on_progress: Callable[[Progress], bool]
    ) -> Diarization:
        """Who spoke when in ``job``'s recording."""
        found = diarizer.diarize(
            job.source,
            speakers=self.speakers,
            min_speakers=self.min_speakers,
            max_speakers=self.max_speakers,
            channels=self.channels,
            start=self.start,
            end=self.end,
            on_progress=on_progress,
            on_damage=self.damaged,
            voiceprints=self.voiceprints,
        )
        return replace(found, uri=job.uri)


@dataclass(frozen=True, kw_only=True, slots=True)
class Writing:
    """The options that change what is written.

    ``format`` None is the terminal's timeline. ``compact`` is for several results on standard
    output: a line of JSON each, a gap between timelines.
    """

    format: Format | None = None
    exclusive: bool = False
    voiceprints: bool = False
    compact: bool = False

    @property
    def extension(self) -> str:
        """The file name extension, with the dot."""
        return FORMATS[self.format or Format.RTTM].extension

    def text(self, result: Diarization) -> str:
        """The result in the chosen format."""
        if self.format is None:
            return _timeline(result) + ("\n" if self.compact else "")
        if self.format is Format.JSON:
            return result.to_json(voiceprints=self.voiceprints, compact=self.compact)
        return FORMATS[self.format].write(result, self.exclusive)


def _timeline(result: Diarization) -> str:
    from rich.console import Console

    from earmark.cli._timeline import print_timeline

    console = Console()
    with console.capture() as captured:
        print_timeline(result, console)
    return captured.get()


def about(job: Job, message: str) -> str:
    """A message about one recording, which names it once, with options as they are typed here."""
    message = message.replace("on_damage='warn'", "--damaged warn")
    known = job.name in message or Path(job.name).name in message
    return message if known else f"{job.name}: {message}"


class Printer:
    """Results on standard output in the order of the command line, each as soon as it can be."""

    def __init__(self, jobs: Sequence[Job], show: Show) -> None:
        self._waiting = [job.uri for job in jobs]
        self._ready: dict[str, str] = {}
        self._show = show
        self._lock = threading.Lock()

    def put(self, job: Job, text: str) -> None:
        """The text of one job; empty when it has none."""
        with self._lock:
            self._ready[job.uri] = text
            while self._waiting and self._waiting[0] in self._ready:
                ready = self._ready.pop(self._waiting.pop(0))
                if ready:
                    self._show.print(ready)


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """Analyses recordings with one shared engine and writes what was asked for."""

    analysis: Analysis
    writing: Writing
    force: bool
    quiet: bool

    def pending(self, job: Job) -> bool:
        """Whether there is anything to do: False when every file of the job is up to date.

        Raises `InvalidInput` when a file would be replaced that this command did not write.
        """
        if self.force:
            return True
        states = {
            target: Record(target=target).state(lambda: self._origin(job))
            for target in job.resumable
        }
        for target, state in states.items():
            if state is State.FOREIGN:
                raise InvalidInput(
                    f"{target} exists and is not what this command wrote; "
                    "move it away, or replace it with --force."
                )
        return not job.targets or any(states.get(t) is not State.DONE for t in job.targets)

    def do(
        self,
        job: Job,
        diarizer: Diarizer,
        printer: Printer,
        show: Show,
        on_progress: Callable[[str, float], bool],
    ) -> None:
        """Analyse one recording; write its files, or print it."""
        text = ""
        try:
            result = self.analysis.run(
                diarizer, job, lambda progress: on_progress(progress.stage, progress.fraction)
            )
            for warning in () if self.quiet else result.warnings:
                show.say(f"Warning: {about(job, warning)}")
            if job.report is not None:
                on_progress("writing the report", 1.0)
                self._write(job, job.report, self._page(job, result))
            if job.output is not None:
                self._write(job, job.output, self.writing.text(result))
            else:
                text = self.writing.text(result)
        finally:
            printer.put(job, text)

    def _page(self, job: Job, result: Diarization) -> str:
        from earmark.cli._report import report_page

        return report_page(
            result, job.source, channels=self.analysis.channels, damaged=self.analysis.damaged
        )

    def _write(self, job: Job, target: Path, text: str) -> None:
        if target in job.resumable:
            Record(target=target).write(text, self._origin(job))
        else:
            write_whole(target, text)

    def _origin(self, job: Job) -> Origin:
        """What the outputs depend on, as it comes back from JSON."""
        from earmark import __version__

        return {
            "recording": file_sha256(job.source),
            "earmark": __version__,
            "analysis": asdict(self.analysis) | {"channels": str(self.analysis.channels)},
            "writing": asdict(self.writing),
        }

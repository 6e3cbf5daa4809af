"""How long each stage takes, how much memory a recording of each length needs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from earmark.bench._diarization import OnStep, silence
from earmark.bench._long import concatenate
from earmark.bench._machine import Machine, this_machine
from earmark.bench._worker import own_worker
from earmark.errors import InvalidOption, PeerFailed
from earmark.settings import Settings

__all__ = ["CLIP_S", "Length", "SpeedReport", "bench_speed"]

CLIP_S = 30.0
"""Seconds of the recording that start-up is measured with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Length:
    """One length of recording, diarized several times in a process of its own.

    ``duration`` is in seconds of audio. ``wall_s`` and ``cpu_s`` hold seconds per pass, models
    loaded; ``stages`` the CPU seconds per pass of each stage, which overlap in wall time, and of
    what is ``other``. ``peak_rss_mb`` is the process's peak in MB (10^6 bytes).
    """

    duration: float
    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    stages: dict[str, tuple[float, ...]]
    peak_rss_mb: float
    speakers: int

    @property
    def wall_rtf(self) -> float:
        """Median wall time per second of audio."""
        return median(self.wall_s) / self.duration

    @property
    def cpu_rtf(self) -> float:
        """Median CPU time, all threads, per second of audio."""
        return median(self.cpu_s) / self.duration

    def stage_rtf(self, stage: str) -> float:
        """Median CPU time of a stage per second of audio."""
        return median(self.stages[stage]) / self.duration


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeedReport:
    """A run of `bench_speed`; ``first_turn_s`` are seconds from process start to the first turn."""

    file: str
    machine: Machine
    fast: bool
    models: dict[str, str]
    load_s: float
    first_turn_s: tuple[float, ...]
    lengths: tuple[Length, ...]

    @property
    def mb_per_hour(self) -> float | None:
        """Peak memory that each further hour of audio took, from the shortest to the longest."""
        ends = sorted(self.lengths, key=lambda length: length.duration)
        hours = (ends[-1].duration - ends[0].duration) / 3600
        return (ends[-1].peak_rss_mb - ends[0].peak_rss_mb) / hours if hours > 0 else None


def bench_speed(
    file: Path,
    *,
    settings: Settings,
    fast: bool = False,
    passes: int = 3,
    hours: Sequence[float] = (),
    on_step: OnStep | None = None,
) -> SpeedReport:
    """Diarize a file again and again and see where the time goes.

    With ``hours``, recordings of those lengths are made of the file, repeated or cut (115 MB of
    temporary disk per hour), and each is measured in a fresh process.

    Raises `PeerFailed` when diarizing fails, `AudioError` when the file cannot be read.
    """
    if passes < 1:
        raise InvalidOption(f"There must be one pass or more, not {passes}.")
    say = on_step or silence
    with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
        clip, long = Path(folder) / "clip.wav", Path(folder) / "long.wav"
        concatenate([file], hours=CLIP_S / 3600, target=clip)
        say("from process start to the first turn")
        first = tuple(_seconds_to_first_turn(clip, fast=fast) for _ in range(passes))
        answers: list[dict[str, Any]] = []
        lengths: list[Length] = []
        load_s: list[float] = []
        for wanted in hours or (None,):
            name = file.name if wanted is None else f"{wanted:g} h"
            if wanted is not None:
                say(f"making a recording of {name}")
                concatenate([file], hours=wanted, target=long)
            with own_worker(settings, fast=fast, profile=True) as worker:
                load_s.append(worker.load_s)
                worker.run(clip)  # warm up
                answers = []
                for number in range(passes):
                    say(f"{name}, pass {number + 1} of {passes}")
                    answers.append(worker.run(file if wanted is None else long))
            lengths.append(_length(answers))
    return SpeedReport(
        file=file.name,
        machine=this_machine(settings),
        fast=fast,
        models=answers[0]["models"],
        load_s=median(load_s),
        first_turn_s=first,
        lengths=tuple(lengths),
    )


def _length(answers: Sequence[dict[str, Any]]) -> Length:
    """What the runner answered, pass by pass."""
    passes = [
        answer["stages"] | {"other": max(0.0, answer["cpu_s"] - sum(answer["stages"].values()))}
        for answer in answers
    ]
    return Length(
        duration=answers[0]["duration"],
        wall_s=tuple(answer["wall_s"] for answer in answers),
        cpu_s=tuple(answer["cpu_s"] for answer in answers),
        stages={stage: tuple(each.get(stage, 0.0) for each in passes) for stage in passes[0]},
        peak_rss_mb=max(answer["peak_rss_mb"] for answer in answers),
        speakers=len({turn[2] for turn in answers[0]["turns"]}),
    )


def _seconds_to_first_turn(file: Path, *, fast: bool = False) -> float:
    """Seconds from starting ``earmark diarize FILE --format rttm`` until a turn is printed.

    Raises `PeerFailed` when none is.
    """
    command = [sys.executable, "-c", "from earmark.cli import main; main()", "diarize", str(file)]
    command += ["--format", "rttm", *(["--fast"] if fast else [])]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - started
        _, errors = process.communicate()
    if not line.startswith(b"SPEAKER"):
        said = errors.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else "nobody speaks in the first 30 s; take another recording."
        raise PeerFailed(f"earmark diarize printed no turn: {why}")
    return seconds

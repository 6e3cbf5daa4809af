"""How well and how fast recordings are diarized, by Earmark and by peers in the same run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from earmark.bench._dataset import Dataset, Recording, write_wav
from earmark.bench._environments import Peer
from earmark.bench._machine import this_machine
from earmark.bench._reliability import frame_reliability, turn_reliability
from earmark.bench._results import DiarizationReport, Result, System
from earmark.bench._score import map_speakers, score
from earmark.bench._worker import OWN, Worker, own_worker, peer_worker
from earmark.diarization import FrameConfidence, Turn
from earmark.errors import ModelError, PeerFailed
from earmark.settings import Settings

__all__ = ["OnStep", "bench_diarization", "silence"]

OnStep = Callable[[str], None]
"""Told what is being done."""


def bench_diarization(
    dataset: Dataset,
    *,
    settings: Settings,
    fast: bool = False,
    oracle: bool = False,
    passes: int = 1,
    against: Sequence[Peer] = (),
    on_step: OnStep | None = None,
) -> DiarizationReport:
    """Diarize and score every recording.

    Each system runs in a process of its own, loaded once and warmed up on the shortest recording.
    Recording by recording and pass by pass the systems take turns, so that a noisy machine is
    noisy for all. With peers, everyone reads the same 16 kHz WAV files, and recordings that are
    scored by channel are Earmark's alone. ``oracle`` tells the systems the number of speakers.

    A peer that cannot be installed or breaks off is in the report with its reason.
    """
    say = on_step or silence
    report = DiarizationReport(
        dataset=dataset,
        machine=this_machine(settings),
        fast=fast,
        oracle=oracle,
        passes=passes,
        systems=[],
    )
    with ExitStack() as stack:
        paths = {recording.name: recording.path for recording in dataset.recordings}
        if against:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="earmark-")))
            for number, recording in enumerate(dataset.recordings):
                if not recording.split:
                    paths[recording.name] = folder / f"{number:04}.wav"
                    write_wav(recording.path, paths[recording.name])
        workers = list(_start(report, settings, against, stack, say))
        for system, worker in workers:
            _warm_up(system, worker, dataset, paths)
        for place, recording in enumerate(dataset.recordings, start=1):
            for turn in range(passes):
                for system, worker in workers:
                    if recording.split and system is not report.own:
                        continue
                    say(
                        f"{place}/{len(dataset.recordings)} {recording.name}: {system.name}"
                        + (f", pass {turn + 1}" if passes > 1 else "")
                    )
                    _run(report, system, worker, recording, paths[recording.name])
    return report


def _start(
    report: DiarizationReport,
    settings: Settings,
    against: Sequence[Peer],
    stack: ExitStack,
    on_step: OnStep,
) -> Iterable[tuple[System, Worker]]:
    """Load the systems one after the other; those that do not load only leave their reason."""
    report.systems = [
        System(name=OWN, licence="Apache-2.0"),
        *(System(name=peer.name, licence=peer.licence, note=peer.note) for peer in against),
    ]
    for system, peer in zip(report.systems, (None, *against), strict=True):
        on_step(f"loading {system.name}")
        try:
            if peer is None:
                worker = own_worker(settings, fast=report.fast)
            else:
                worker = peer_worker(peer, settings, on_step=on_step)
            stack.enter_context(worker)
        except (PeerFailed, ModelError) as error:
            system.failure = str(error)
            continue
        system.load_s = worker.load_s
        system.load_cpu_s = worker.ready["load_cpu_s"]
        system.loaded_rss_mb = worker.ready["rss_mb"]
        system.versions = worker.ready["versions"]
        yield system, worker


def silence(step: str) -> None:
    """Nobody listens."""


def _warm_up(system: System, worker: Worker, dataset: Dataset, paths: Mapping[str, Path]) -> None:
    mono = [recording for recording in dataset.recordings if not recording.split]
    shortest = min(mono or dataset.recordings, key=lambda recording: recording.duration)
    try:
        worker.run(paths[shortest.name])
    except PeerFailed as error:
        _give_up(system, worker, shortest, error)


def _run(
    report: DiarizationReport, system: System, worker: Worker, recording: Recording, path: Path
) -> None:
    """Run one pass over one recording and note what it gave."""
    if system.failure or recording.name in system.failures:
        return
    hints: dict[str, Any] = {"speakers": recording.people if report.oracle else None}
    if recording.split:
        # Each channel's people are counted apart, so there is no one number to tell.
        hints = {"speakers": None, "channels": "split"}
    try:
        answer = worker.run(path, **hints)
    except PeerFailed as error:
        _give_up(system, worker, recording, error)
        return
    turns = tuple(_turns(answer["turns"]))
    result = Result(
        score=score(recording.reference, turns, regions=[(0.0, recording.duration)]),
        wall_s=(answer["wall_s"],),
        cpu_s=(answer["cpu_s"],),
        peak_rss_mb=answer["peak_rss_mb"],
        turns=turns,
    )
    if before := system.results.get(recording.name):
        if turns != before.turns:
            system.unstable.add(recording.name)
        result = replace(
            before,
            wall_s=before.wall_s + result.wall_s,
            cpu_s=before.cpu_s + result.cpu_s,
            peak_rss_mb=max(before.peak_rss_mb, result.peak_rss_mb),
        )
    elif system is report.own:
        report.models, report.settings = answer["models"], answer["settings"]
        _rate_confidence(report, worker, recording, turns)
    system.results[recording.name] = result


def _give_up(system: System, worker: Worker, recording: Recording, error: PeerFailed) -> None:
    """Note that a recording was too much for a system, and load the system again."""
    system.failures[recording.name] = str(error)
    system.results.pop(recording.name, None)
    try:
        worker.start()
    except PeerFailed as again:
        system.failure = str(again)


def _rate_confidence(
    report: DiarizationReport, worker: Worker, recording: Recording, turns: Sequence[Turn]
) -> None:
    """Add the confidences of what the worker has just diarized to the report."""
    details = worker.run(recording.path, details=True)
    regions = [(0.0, recording.duration)]
    mapping = map_speakers(recording.reference, turns, regions=regions)
    if None not in details["turns"]:
        rated = [replace(t, confidence=c) for t, c in zip(turns, details["turns"], strict=True)]
        by_turn = turn_reliability(rated, recording.reference, mapping)
        known = report.turn_reliability
        report.turn_reliability = by_turn if known is None else known + by_turn
    if (given := details["frames"]) is not None:
        values = np.array(given["values"], dtype=np.float32)
        frames = FrameConfidence(values=values, step=given["step"], start=given["start"])
        by_frame = frame_reliability(frames, turns, recording.reference, mapping)
        known = report.frame_reliability
        report.frame_reliability = by_frame if known is None else known + by_frame


def _turns(rows: Iterable[Sequence[Any]]) -> Iterable[Turn]:
    """Turns from a runner's rows; what is shorter than a millisecond is nothing."""
    for start, end, speaker, *rest in rows:
        first, last = round(max(start, 0.0), 3), round(end, 3)
        if last > first:
            yield Turn(start=first, end=last, speaker=speaker, channel=rest[0] if rest else None)

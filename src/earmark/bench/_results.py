"""What a benchmark of diarizers found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from earmark.bench._dataset import Dataset, Recording
from earmark.bench._machine import Machine
from earmark.bench._reliability import Reliability
from earmark.bench._score import Score
from earmark.diarization import Turn

__all__ = ["DiarizationReport", "Result", "System", "Total", "by_folder", "total_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One recording by one system. Each pass gave one of ``wall_s`` and ``cpu_s`` (seconds)."""

    score: Score
    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    peak_rss_mb: float
    turns: tuple[Turn, ...]


@dataclass(kw_only=True, slots=True)
class System:
    """What one diarizer did.

    ``results`` and ``failures`` (reasons) are by the recording's name; ``unstable`` names those of
    which two passes gave different turns. ``failure`` says why it did not run at all, or why it
    could not go on.
    """

    name: str
    licence: str = ""
    note: str = ""
    failure: str | None = None
    load_s: float = 0.0
    load_cpu_s: float = 0.0
    loaded_rss_mb: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    unstable: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """Several recordings by one system: rates are seconds per second of audio, by median pass."""

    score: Score
    wall_rtf: float
    cpu_rtf: float
    peak_rss_mb: float


@dataclass(kw_only=True, slots=True)
class DiarizationReport:
    """A run of `bench_diarization`. ``models`` maps model ids to SHA-256."""

    dataset: Dataset
    machine: Machine
    fast: bool
    oracle: bool
    passes: int
    systems: list[System]
    models: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    turn_reliability: Reliability | None = None
    frame_reliability: Reliability | None = None

    @property
    def own(self) -> System:
        """Earmark."""
        return self.systems[0]

    @property
    def shared(self) -> list[Recording]:
        """The recordings that every system that ran at all got through."""
        ran = [system for system in self.systems if system.results]
        return [r for r in self.dataset.recordings if all(r.name in s.results for s in ran)]


def total_of(system: System, recordings: Iterable[Recording]) -> Total | None:
    """The system's total over those of the recordings that it got through, or None for none."""
    done = [(r, system.results[r.name]) for r in recordings if r.name in system.results]
    if not done:
        return None
    seconds = sum(recording.duration for recording, _ in done)
    return Total(
        score=sum((result.score for _, result in done), Score()),
        wall_rtf=sum(median(result.wall_s) for _, result in done) / seconds,
        cpu_rtf=sum(median(result.cpu_s) for _, result in done) / seconds,
        peak_rss_mb=max(result.peak_rss_mb for _, result in done),
    )


def by_folder(recordings: Iterable[Recording]) -> list[tuple[str, list[Recording]]]:
    """The recordings by folder, when there are several folders, and all of them."""
    recordings = list(recordings)
    groups: dict[str, list[Recording]] = {}
    for recording in recordings:
        groups.setdefault(recording.group, []).append(recording)
    parts = [(name or ".", own) for name, own in groups.items()] if len(groups) > 1 else []
    return [*parts, ("all", recordings)]

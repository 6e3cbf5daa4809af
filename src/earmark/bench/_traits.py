"""How often traits are right, how late they come, and what they cost."""

from __future__ import annotations

import csv
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE, read_audio
from earmark.bench._diarization import OnStep, silence
from earmark.bench._machine import Machine, this_machine
from earmark.models import answer_alone
from earmark.settings import Settings
from earmark.traits import TraitKind, TraitModels, TraitOptions, TraitReport, TraitTracker

__all__ = ["Answers", "Cost", "Delay", "TraitsReport", "bench_traits", "traits_document"]

Float = NDArray[np.float32]

_PERIOD_S = 1.024
_FINE_S = 0.064
_LABELS = {"noise": "other"}  # of the data, where ours differ
_MIX_S = 4.0  # of each piece of the mixed stream
_MIXED = ("speech", "music", "speech", "noise", "speech", "silence")
_CHUNK = 1600  # samples that a stream brings at once
_COST_S = 60.0
_ADULT = 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """How many of ``count`` periods (or people's recordings) of one kind got which answer."""

    of: str
    truth: str
    count: int
    answers: dict[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Delay:
    """Seconds from a change of the sound to the report of it, of a mixed stream.

    ``right`` is the share of periods away from changes that were answered rightly.
    """

    kind: str
    period_s: float
    right: float
    median_s: float
    slow_s: float  # of nine in ten
    unseen: int
    changes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Milliseconds of one thread per second of stream."""

    kinds: str
    period_s: float
    ms_per_s: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TraitsReport:
    """The figures, and what they were measured on."""

    sounds: Sequence[Answers]
    genders: Sequence[Answers]
    delays: Sequence[Delay]
    costs: Sequence[Cost]
    machine: Machine


def bench_traits(
    folder: Path, *, settings: Settings, on_step: OnStep | None = None
) -> TraitsReport:
    """Measure on ``folder``, which holds nonspeech.csv and gender.csv.

    Raises what reading recordings raises, and `ModelError`.
    """
    say = on_step or silence
    models = TraitModels.load(settings)
    say("reading the recordings")
    clips = list(_clips(folder))
    say("speech, music, other, silence")
    sounds = list(_sounds(models, clips))
    say("delays")
    stream, edges, truth = _mixed(clips)
    delays = [
        _delay(models, stream, edges, truth, kind, period_s)
        for kind, period_s in (
            (TraitKind.SPEECH_RT, _FINE_S),
            (TraitKind.SPEECH_RT, _PERIOD_S),
            (TraitKind.SPEECH, _PERIOD_S),
        )
    ]
    say("gender")
    genders = list(_genders(models, folder))
    say("cost")
    return TraitsReport(
        sounds=sounds,
        genders=genders,
        delays=delays,
        costs=list(_costs(models, stream)),
        machine=this_machine(settings),
    )


def traits_document(report: TraitsReport) -> dict[str, Any]:
    """The document ``earmark.bench.traits/1``."""
    return {
        "schema": "earmark.bench.traits/1",
        "machine": asdict(report.machine),
        "sounds": [asdict(each) for each in report.sounds],
        "genders": [asdict(each) for each in report.genders],
        "delays": [asdict(each) for each in report.delays],
        "costs": [asdict(each) for each in report.costs],
    }


def _clips(folder: Path) -> Iterator[tuple[str, str, Float]]:
    """Where it comes from, what it is, and samples."""
    with (folder / "nonspeech.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield row["source"], row["label"], read_audio(folder / row["path"])[0]
    with (folder / "gender.csv").open(encoding="utf-8") as file:
        for row in itertools.islice(csv.DictReader(file), 0, None, 10):
            yield "verification", "speech", read_audio(folder / row["path"])[0]


def _track(
    models: TraitModels, samples: Float, kinds: tuple[TraitKind, ...], period_s: float
) -> list[tuple[TraitReport, float]]:
    """Reports, and how many seconds of the stream had come when each did."""
    tracker = TraitTracker(models, TraitOptions(kinds=kinds, period_s=period_s))
    told: list[tuple[TraitReport, float]] = []
    for start in range(0, len(samples), _CHUNK):
        chunk = samples[start : start + _CHUNK]
        reports = answer_alone(tracker.step(chunk), models.networks)
        told += [(each, (start + len(chunk)) / SAMPLE_RATE) for each in reports]
    rest = answer_alone(tracker.finish(), models.networks)
    return told + [(each, len(samples) / SAMPLE_RATE) for each in rest]


def _sounds(models: TraitModels, clips: Sequence[tuple[str, str, Float]]) -> Iterator[Answers]:
    kinds = (TraitKind.SPEECH, TraitKind.SPEECH_RT)
    found: dict[tuple[str, str], Counter[str]] = {}
    for _, label, samples in clips:
        # The last period is left out, unless there is no other.
        reports = [report for report, _ in _track(models, samples, kinds, _PERIOD_S)]
        for report in reports[: max(1, len(reports) - 1)]:
            for kind in kinds:
                truth = _LABELS.get(label, label)
                counts = found.setdefault((kind.value, truth), Counter())
                counts[report.traits[kind].result] += 1
    for (of, truth), counts in sorted(found.items()):
        yield Answers(of=of, truth=truth, count=counts.total(), answers=dict(counts))


def _mixed(clips: Sequence[tuple[str, str, Float]]) -> tuple[Float, list[float], list[str]]:
    """A stream of pieces of each kind in turn; where they change, and what they are."""
    size = round(_MIX_S * SAMPLE_RATE)
    of = {
        label: [each for _, own, each in clips if own == label and len(each) >= size]
        for label in dict.fromkeys(_MIXED)
    }
    pieces, labels = [], []
    for turn in range(len(of["music"])):
        for place, label in enumerate(_MIXED):
            choice = of[label][(turn * len(_MIXED) + place) % len(of[label])]
            pieces.append(choice[:size])
            labels.append(_LABELS.get(label, label))
    edges = [i * _MIX_S for i in range(len(pieces))]
    return np.concatenate(pieces), edges, labels


def _delay(
    models: TraitModels,
    stream: Float,
    edges: Sequence[float],
    truth: Sequence[str],
    kind: TraitKind,
    period_s: float,
) -> Delay:
    told = _track(models, stream, (kind,), period_s)
    right = total = 0
    delays: list[float] = []
    unseen = 0
    for begin, label in zip(edges, truth, strict=True):
        own = [each for each in told if begin <= each[0].start and each[0].end <= begin + _MIX_S]
        seen = [came for report, came in own if report.traits[kind].result == label]
        if seen:
            delays.append(seen[0] - begin)
        else:
            unseen += 1
        inner = [report for report, _ in own if report.start >= begin + 0.5]
        right += sum(report.traits[kind].result == label for report in inner)
        total += len(inner)
    return Delay(
        kind=kind.value,
        period_s=period_s,
        right=right / total,
        median_s=float(np.median(delays)),
        slow_s=float(np.percentile(delays, 90)),
        unseen=unseen,
        changes=len(edges),
    )


def _genders(models: TraitModels, folder: Path) -> Iterator[Answers]:
    """The answer after the first two seconds in which somebody speaks, by corpus."""
    found: dict[tuple[str, str], Counter[str]] = {}
    with (folder / "gender.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if float(row["age"] or _ADULT) >= _ADULT]
    for row in rows:
        samples = read_audio(folder / row["path"])[0]
        told = _track(models, samples, (TraitKind.GENDER,), _PERIOD_S)
        answers = [report.traits[TraitKind.GENDER].result for report, _ in told]
        spoken = [each for each in answers if each not in ("no_speech", "silence")]
        if len(spoken) > 1:
            truth = "female" if row["gender"] == "F" else "male"
            found.setdefault((row["corpus"], truth), Counter())[spoken[1]] += 1
    for (corpus, truth), counts in sorted(found.items()):
        yield Answers(of=corpus, truth=truth, count=counts.total(), answers=dict(counts))


def _costs(models: TraitModels, stream: Float) -> Iterator[Cost]:
    samples = stream[: round(_COST_S * SAMPLE_RATE)]
    for kinds, period_s in (
        ((TraitKind.SPEECH,), _PERIOD_S),
        ((TraitKind.SPEECH_RT,), _PERIOD_S),
        ((TraitKind.SPEECH_RT,), _FINE_S),
        ((TraitKind.GENDER,), _PERIOD_S),
        (tuple(TraitKind), _PERIOD_S),
    ):
        before = time.thread_time()
        _track(models, samples, kinds, period_s)
        took = time.thread_time() - before
        yield Cost(
            kinds=" + ".join(kinds),
            period_s=period_s,
            ms_per_s=1000 * took * SAMPLE_RATE / len(samples),
        )

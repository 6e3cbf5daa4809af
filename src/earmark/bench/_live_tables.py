"""A live benchmark's findings as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from earmark.bench._dataset import Dataset
from earmark.bench._live import LiveLoadReport
from earmark.bench._live_accuracy import LAYERS, LiveAccuracy
from earmark.bench._live_names import Naming
from earmark.bench._score import Score
from earmark.bench._service_report import percentile
from earmark.bench._tables import circumstances, new_table, print_lines

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_live", "print_live_accuracy", "print_naming"]


def print_live(report: LiveLoadReport, console: Console) -> None:
    """The header, a row per number of streams, and how many were answered in time."""
    seconds = report.loads[0].seconds
    lines = {
        "data": ", ".join(report.files),
        "streams": f"{seconds:g} s each at the pace of real time, asked for {report.asked}",
    }
    print_lines(lines | circumstances({}, report.machine), console)
    table = new_table(
        "streams", "p50 ms", "p95", "p99", "max", "last p95", "answers", "over after s",
        "server CPU", "per stream", "clients CPU", "RSS MB", "",
    )  # fmt: skip
    for load in report.loads:
        table.add_row(
            str(load.streams),
            *(f"{1e3 * load.latency_s[at]:.0f}" for at in (50, 95, 99, 100)),
            f"{1e3 * load.last_s:.0f}",
            str(load.answers),
            f"{load.drained_s:.2f}",
            _cores(load.server_cpu, 2),
            _cores(load.cpu_per_stream, 4),
            _cores(load.clients_cpu, 2),
            "–" if load.memory_mb is None else f"{load.memory_mb:.0f}",
            "" if load.kept_up else "too many",
        )
    console.print(table)
    console.print(
        f"{report.most} streams are answered in time: 95 of 100 answers within a second of the"
        " sound that they are about, also of those about its last fifth. CPU: seconds per second;"
        " the clients share the cores with the server.\n",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )


def print_live_accuracy(report: LiveAccuracy, dataset: Dataset, console: Console) -> None:
    """DER of each layer, by recording and in all, and how late turns are told and confirmed."""
    print_lines({"data": f"{dataset.folder.name}, sha256 {dataset.sha256[:16]}"}, console)
    table = new_table("DER strict / ±.25 s", *LAYERS)
    for name, layers in report.recordings.items():
        table.add_row(name, *_rates(layers))
    table.add_section()
    table.add_row("[bold]all[/]", *_rates(report.total))
    console.print(table)
    console.print(
        f"%, live sessions: provisional is what was told {report.delay_s:g} s after it was spoken,"
        " confirmed is each turn as it was first confirmed, relabelled the same with the merges"
        " that came later, final the session's result; offline: the recording as a whole.\n"
        f"Turns are first told {_spread(report.first_told_s)} after they begin, and confirmed"
        f" {_spread(report.confirmed_s)} after they end.\n",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )


def print_naming(report: Naming, console: Console) -> None:
    """How many were named, rightly, and how soon."""
    named = report.named
    after = [each.after_s for each in named if each.after_s is not None]
    spoken = [each.spoken_s for each in named if each.spoken_s is not None]
    console.print(
        f"Names: {len(named)} of {len(report.people)} people were named rightly,"
        f" {_spread(after)} after their first word, when they had spoken {_spread(spoken)} by"
        f" themselves. Of {report.names} names that were told, {report.wrong} were wrong.\n",
        highlight=False,
        soft_wrap=True,
    )


def _rates(layers: Mapping[str, Score]) -> list[str]:
    scores = [layers[layer] for layer in LAYERS]
    return [f"{100 * each.strict.rate:.1f} / {100 * each.lenient.rate:.1f}" for each in scores]


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "–"
    return f"{percentile(seconds, 50):.1f} s (nine in ten: {percentile(seconds, 90):.1f} s)"


def _cores(seconds: float | None, digits: int) -> str:
    return "–" if seconds is None else f"{seconds:.{digits}f}"

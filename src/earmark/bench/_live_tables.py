"""A live benchmark's findings as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earmark.bench._live import LiveLoadReport
from earmark.bench._tables import circumstances, new_table, print_lines

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_live"]


def print_live(report: LiveLoadReport, console: Console) -> None:
    """The header, a row per number of streams, and how many were answered in time."""
    seconds = report.loads[0].seconds
    lines = {
        "data": ", ".join(report.files),
        "streams": f"{seconds:g} s each at the pace of real time, asked for {report.asked}",
    }
    print_lines(lines | circumstances({}, report.machine), console)
    table = new_table(
        "streams", "p50 ms", "p95", "p99", "max", "answers", "over after s", "server CPU",
        "per stream", "clients CPU", "RSS MB", "",
    )  # fmt: skip
    for load in report.loads:
        table.add_row(
            str(load.streams),
            *(f"{1e3 * load.latency_s[at]:.0f}" for at in (50, 95, 99, 100)),
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
        " sound that they are about. CPU: seconds per second; the clients share the cores with the"
        " server.\n",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )


def _cores(seconds: float | None, digits: int) -> str:
    return "–" if seconds is None else f"{seconds:.{digits}f}"

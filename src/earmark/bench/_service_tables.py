"""What was measured of a service, as tables for people."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from earmark.bench._service_report import (
    Latency,
    Overhead,
    ServiceReport,
    Throughput,
    Upload,
    percentile,
)
from earmark.bench._tables import circumstances, new_table, print_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

__all__ = ["print_service"]


def print_service(report: ServiceReport, console: Console) -> None:
    """The header, and a table for each thing that was measured."""
    lines = {"file": report.file} | circumstances(report.models, report.machine)
    print_lines(lines, console)
    if report.overhead is not None:
        _print_overhead(report.overhead, console)
    if report.throughput is not None:
        _print_throughput(report.throughput, console)
    if report.uploads:
        _print_uploads(report.uploads, console)
    if report.latencies:
        _print_latencies(report.latencies, console)


def _print_overhead(found: Overhead, console: Console) -> None:
    table = new_table(f"{found.duration / 3600:.3f} h of audio", "wall s", "CPU s", "beside it %")
    cpu = f"{median(found.service_cpu_s):.2f}" if found.service_cpu_s else "–"
    for what, seconds, cpu_s, ratio in (
        ("Diarizer in a process", found.diarizer_s, f"{median(found.diarizer_cpu_s):.2f}", None),
        ("service, uploaded before", found.uploaded_s, cpu, found.ratio),
        ("service, with the upload", found.sent_s, "–", found.sent_ratio),
    ):
        beside = "" if ratio is None else f"{100 * ratio:+.1f}"
        table.add_row(what, f"{median(seconds):.2f}", cpu_s, beside)
    console.print(table)
    parts = ", ".join(f"{part} {median(took):.2f}" for part, took in found.parts.items())
    if found.cpu_ratio is not None:
        parts += f"; CPU time {100 * found.cpu_ratio:+.1f} %"
    console.print(f"Of the second row: {parts}.\n", style="dim", highlight=False, soft_wrap=True)


def _print_throughput(found: Throughput, console: Console) -> None:
    table = new_table(f"{found.jobs} files of {found.clip_s:.0f} s", "wall s", "per minute")
    for what, seconds, rate in (
        ("Diarizer in a process, one by one", found.diarizer_s, found.diarizer_per_minute),
        ("service, submitted at once", found.service_s, found.per_minute),
    ):
        table.add_row(what, f"{median(seconds):.2f}", f"{rate:.1f}")
    console.print(table)
    console.print()


def _print_uploads(uploads: Sequence[Upload], console: Console) -> None:
    size = f"upload of {uploads[0].size / (1 << 20):g} MiB"
    table = new_table(size, "wall s", "MB/s", "RSS MB before", "peak", "slope")
    for upload in uploads:
        memory = ["–", "–", "–"]
        if (line := upload.memory) is not None:
            memory = [f"{line.start_mb:.0f}", f"{line.peak_mb:.0f}", f"{line.slope_mb:+.1f}"]
        table.add_row(upload.way, f"{upload.seconds:.2f}", f"{upload.mb_per_s:.0f}", *memory)
    console.print(table)
    console.print(
        "RSS: of all processes of the server; slope: MB that the straight line through it rises"
        " by, from the first byte to the last.\n",
        style="dim",
        soft_wrap=True,
    )


def _print_latencies(latencies: Sequence[Latency], console: Console) -> None:
    table = new_table("GET /api/v1/jobs/{id}", "requests", "p50 ms", "p99 ms", "max ms")
    for latency in latencies:
        seconds = latency.seconds
        table.add_row(
            f"worker {latency.state}",
            str(len(seconds)),
            *(f"{1e3 * percentile(seconds, percent):.1f}" for percent in (50, 99, 100)),
        )
    console.print(table)

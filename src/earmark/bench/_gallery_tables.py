"""What a gallery in memory costs, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from earmark.bench._gallery import GalleryReport
from earmark.bench._tables import circumstances, new_table, print_lines

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_gallery"]


def print_gallery(report: GalleryReport, console: Console) -> None:
    """The header, and a row per operation with its median and 99th percentile."""
    lines = {"gallery": f"{report.people} made-up people with a voiceprint each"}
    print_lines(lines | circumstances({}, report.machine), console)
    table = new_table("", "p50 ms", "p99 ms", "CPU p50 ms")
    for what, taken in (
        ("search for one voice, with names and audit log", report.asked),
        ("of that, the index", report.search),
        ("the index, for ten voices at once", report.voices),
        ("encrypt a voiceprint, with a data key of its own", report.seal),
        ("add a person to the index", report.put),
        ("delete a data key", report.forget),
        ("take a person out of the index", report.remove),
    ):
        low, high = np.percentile(taken.wall_s, [50, 99]) * 1000
        table.add_row(what, f"{low:.3f}", f"{high:.3f}", f"{np.median(taken.cpu_s) * 1000:.3f}")
    console.print(table)
    (wall_s,), (cpu_s,) = report.load.wall_s, report.load.cpu_s
    console.print(
        f"From the database into an index in memory: {wall_s:.2f} s, {cpu_s:.2f} s of CPU time.",
        highlight=False,
    )

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
    table = new_table("", "p50 ms", "p99 ms")
    for what, seconds in (
        ("search for one voice", report.search_s),
        ("search for ten voices at once", report.voices_s),
        ("encrypt a voiceprint, with a data key of its own", report.seal_s),
        ("add a person to the index", report.put_s),
        ("delete a data key", report.forget_s),
        ("take a person out of the index", report.remove_s),
    ):
        low, high = np.percentile(seconds, [50, 99]) * 1000
        table.add_row(what, f"{low:.3f}", f"{high:.3f}")
    console.print(table)
    console.print(
        f"From the database to voiceprints in memory {report.open_s:.2f} s, into the index "
        f"{report.load_s:.2f} s: ready in {report.open_s + report.load_s:.2f} s.",
        highlight=False,
        soft_wrap=True,
    )

"""What traits are worth, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from earmark.bench._tables import circumstances, new_table, print_lines
from earmark.bench._traits import Answers, TraitsReport

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_traits"]


def print_traits(report: TraitsReport, console: Console) -> None:
    """Answers by truth, delays, and costs."""
    print_lines(circumstances({}, report.machine), console)
    console.print("Periods of 1.024 s of clips, % answered")
    _print_answers(report.sounds, ("speech", "music", "other", "silence"), console)
    delays = new_table("mixed stream", "period", "right %", "delay s", "9 in 10", "unseen")
    for each in report.delays:
        delays.add_row(
            each.kind,
            f"{each.period_s:g}",
            f"{100 * each.right:.1f}",
            f"{each.median_s:.2f}",
            f"{each.slow_s:.2f}",
            f"{each.unseen} of {each.changes}",
        )
    console.print("From a change of the sound until it is reported")
    console.print(delays)
    console.print("Gender after two periods with speech, % of recordings")
    _print_answers(report.genders, ("female", "male", "unknown"), console)
    costs = new_table("kinds", "period", "ms per s")
    for cost in report.costs:
        costs.add_row(cost.kinds, f"{cost.period_s:g}", f"{cost.ms_per_s:.1f}")
    console.print("One thread's time per second of stream")
    console.print(costs)


def _print_answers(rows: Sequence[Answers], labels: Sequence[str], console: Console) -> None:
    table = new_table("of", "truth", "count", *labels)
    for each in rows:
        shares = (100 * each.answers.get(label, 0) / each.count for label in labels)
        table.add_row(each.of, each.truth, str(each.count), *(f"{share:.1f}" for share in shares))
    console.print(table)
    console.print()

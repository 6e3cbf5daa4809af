"""What voiceprints are worth, as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earmark.bench._tables import circumstances, new_table, print_lines
from earmark.bench._verification import Scored, VerificationReport
from earmark.bench._verification_score import Interval

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_verification"]

_TITLES = {"all": "Every pair within a corpus", "listed": "The listed trials"}


def print_verification(report: VerificationReport, console: Console) -> None:
    """The header, a table of each sort of pairs, and the searches among enrolled people."""
    trials = report.trials
    counted = f"{len(trials.files)} files of {trials.speakers} people"
    lines = {
        "trials": f"{trials.path.name}: {len(trials.listed)}, {counted}, "
        f"sha256 {report.heard.sha256[:16]}",
        "left out": ", ".join(report.unheard) or "nothing",
    }
    print_lines(lines | circumstances(report.heard.models, report.machine), console)
    for pairs in dict.fromkeys(each.pairs for each in report.scored):
        table = new_table(
            "corpus", "scores", "people", "same", "other", "EER %", "95 %", "DCF .01",
            "DCF .05", "Cllr raw", "Cllr", "95 %", "minCllr",
        )  # fmt: skip
        for each in report.scored:
            if each.pairs == pairs:
                table.add_row(*_cells(each))
        console.print(_TITLES[pairs])
        console.print(table)
        console.print()
    _print_open_set(report, console)
    console.print(
        "EER, DCF (the least) and minCllr by the ROC's convex hull; Cllr in bits, raw: of the "
        "cosine taken for an LLR; intervals by a bootstrap over people.",
        style="dim",
        soft_wrap=True,
    )


def _cells(scored: Scored) -> list[str]:
    return [
        scored.corpus,
        scored.system,
        str(scored.people),
        str(scored.same),
        str(scored.other),
        f"{100 * scored.equal_error_rate.value:.2f}",
        _bounds(scored.equal_error_rate, 100, 2),
        f"{scored.min_dcf_01:.3f}",
        f"{scored.min_dcf_05:.3f}",
        f"{scored.raw_cllr:.3f}",
        "" if scored.cllr is None else f"{scored.cllr.value:.4f}",
        "" if scored.cllr is None else _bounds(scored.cllr, 1, 3),
        f"{scored.min_cllr:.4f}",
    ]


def _bounds(interval: Interval, scale: float, digits: int) -> str:
    return f"{scale * interval.low:.{digits}f}–{scale * interval.high:.{digits}f}"


def _print_open_set(report: VerificationReport, console: Console) -> None:
    if not report.open_set:
        return
    table = new_table(
        "corpus", "people", "searches", "wanted %", "strangers named %", "found %", "mistaken %"
    )
    for each in report.open_set:
        table.add_row(
            each.corpus,
            str(each.people),
            str(each.searches),
            f"{100 * each.wanted:g}",
            *(
                f"{100 * count / each.searches:.1f}"
                for count in (each.false_accepts, each.found, each.mistaken)
            ),
        )
    console.print("Searches among the people of a corpus, at a wanted rate of false accepts")
    console.print(table)
    console.print()

"""A benchmark's findings as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING

from earmark.bench._dataset import Recording
from earmark.bench._machine import Machine
from earmark.bench._results import DiarizationReport, Result, System, Total, by_folder, total_of
from earmark.bench._score import Score
from earmark.bench._speed import CLIP_S, SpeedReport

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["circumstances", "new_table", "print_diarization", "print_lines", "print_speed"]

_SCORES = ("DER", "miss", "FA", "conf", "±.25", "JER", "people", "off")
_COSTS = ("RTF", "CPU RTF", "RSS MB")


def print_diarization(report: DiarizationReport, console: Console) -> None:
    """The header, a row per recording, totals, confidences and, with peers, the comparison."""
    _print_header(report, console)
    _print_own(report, console)
    _print_reliability(report, console)
    if len(report.systems) > 1:
        _print_comparison(report, console)


def _print_header(report: DiarizationReport, console: Console) -> None:
    dataset = report.dataset
    size = f"{len(dataset.recordings)} recordings, {dataset.hours:.3f} h"
    told = ", told the number of speakers" if report.oracle else ""
    lines = {
        "data": f"{dataset.folder.name}: {size}, sha256 {dataset.sha256[:16]}",
        "": ", ".join(recording.name for recording in dataset.recordings),
        "left out": ", ".join(dataset.left_out) or "nothing",
        "mode": f"{_mode(report.fast)}{told}, passes: {report.passes}",
    }
    print_lines(lines | circumstances(report.models, report.machine), console)


def _mode(fast: bool) -> str:
    return "fast" if fast else "default"


def circumstances(models: Mapping[str, str], machine: Machine) -> dict[str, str]:
    memory = f", {machine.memory_gb:g} GB" if machine.memory_gb else ""
    versions = f"Python {machine.python}, onnxruntime {machine.onnxruntime}"
    return {
        "models": ", ".join(f"{name} {sha[:12]}" for name, sha in models.items()) or "–",
        "machine": f"{machine.cpu}, {machine.cores} cores{memory}, {machine.system}",
        "software": f"earmark {machine.earmark}, {versions}, "
        f"{machine.threads} threads, {machine.provider}",
    }


def print_lines(lines: Mapping[str, str], console: Console) -> None:
    for title, text in lines.items():
        console.print(f"[bold]{title:9}[/]", text, highlight=False, soft_wrap=True)
    console.print()


def print_speed(report: SpeedReport, console: Console) -> None:
    """The header, a row per stage with a column per length, and memory."""
    first = ", ".join(f"{seconds:.2f}" for seconds in report.first_turn_s)
    lines = {"file": report.file, "mode": _mode(report.fast)}
    print_lines(lines | circumstances(report.models, report.machine), console)
    table = new_table("", *(f"{length.duration / 3600:.3f} h" for length in report.lengths))
    for stage in dict.fromkeys(stage for length in report.lengths for stage in length.stages):
        cells = (
            f"{length.stage_rtf(stage):.5f}" if stage in length.stages else "–"
            for length in report.lengths
        )
        table.add_row(f"CPU {stage}", *cells)
    table.add_section()
    table.add_row("CPU RTF", *(f"{length.cpu_rtf:.5f}" for length in report.lengths))
    table.add_row("[bold]wall RTF[/]", *(f"{length.wall_rtf:.5f}" for length in report.lengths))
    table.add_row("wall s", *(f"{median(length.wall_s):.2f}" for length in report.lengths))
    table.add_row("peak RSS MB", *(f"{length.peak_rss_mb:.0f}" for length in report.lengths))
    table.add_row("people", *(str(length.speakers) for length in report.lengths))
    console.print(table)
    if report.mb_per_hour is not None:
        console.print(f"Memory: {report.mb_per_hour:+.1f} MB per further hour.", highlight=False)
    console.print(
        f"Models loaded in {report.load_s:.2f} s; "
        f"from process start to the first turn of {CLIP_S:.0f} s of sound: {first} s.",
        highlight=False,
        soft_wrap=True,
    )


def _print_own(report: DiarizationReport, console: Console) -> None:
    table = new_table("recording", "s", *_SCORES, *_COSTS)
    own = report.own
    for recording in report.dataset.recordings:
        if result := own.results.get(recording.name):
            table.add_row(
                recording.name,
                f"{recording.duration:.0f}",
                *_score_cells(result.score),
                *_cost_cells(_one(recording, result)),
            )
        else:
            why = own.failures.get(recording.name) or own.failure or "not run"
            table.add_row(recording.name, f"{recording.duration:.0f}", why)
    table.add_section()
    for name, recordings in by_folder(report.dataset.recordings):
        if total := total_of(own, recordings):
            table.add_row(
                f"[bold]{name}[/]",
                f"{sum(r.duration for r in recordings):.0f}",
                *_score_cells(total.score),
                *_cost_cells(total),
            )
    console.print(table)
    console.print(
        "DER, miss, false alarm, confusion: % of reference speech, no collar, overlap scored; "
        "±.25: DER with that collar. People: found/true, in totals recordings counted right; "
        "off: by how many.",
        style="dim",
        soft_wrap=True,
    )
    if own.unstable:
        console.print(f"[red]Two passes differ[/] on {', '.join(sorted(own.unstable))}.")


def _one(recording: Recording, result: Result) -> Total:
    system = System(name="", results={recording.name: result})
    total = total_of(system, [recording])
    assert total is not None
    return total


def _print_reliability(report: DiarizationReport, console: Console) -> None:
    for what, found in (
        ("turns (right: the part its person speaks)", report.turn_reliability),
        ("frames (right: exactly the right people)", report.frame_reliability),
    ):
        if found is None or not found.seconds.any():
            continue
        table = new_table("confidence", "share %", "claimed", "right")
        for row in found.rows():
            table.add_row(
                f"{row['from']:.1f}–{row['to']:.1f}",
                f"{100 * row['share']:.1f}",
                f"{row['confidence']:.3f}",
                f"{row['right']:.3f}",
            )
        console.print(
            f"\nReliability of {what}: calibration error {100 * found.error:.2f} %", soft_wrap=True
        )
        console.print(table)


def _print_comparison(report: DiarizationReport, console: Console) -> None:
    shared = report.shared
    for name, recordings in by_folder(shared) if shared else []:
        own = total_of(report.own, recordings)
        table = new_table("system", *_SCORES[:-2], "count", "off", *_COSTS, "load s", "wall ×")
        for system in report.systems:
            if total := total_of(system, recordings):
                ratio = f"{total.wall_rtf / own.wall_rtf:.2f}" if own else "–"
                table.add_row(
                    system.name,
                    *_score_cells(total.score)[:-2],
                    f"{total.score.exact}/{total.score.recordings}",
                    str(total.score.miscounted),
                    *_cost_cells(total),
                    f"{system.load_s:.1f}",
                    ratio,
                )
        console.print(f"\nSame files, same run: {name}, {len(recordings)} recordings")
        console.print(table)
    apart = [r.name for r in report.dataset.recordings if r not in shared]
    if apart:
        console.print(f"Not compared: {', '.join(apart)}", style="dim", highlight=False)
    for system in report.systems[1:]:
        versions = ", ".join(f"{k} {v}" for k, v in system.versions.items())
        console.print(
            f"[bold]{system.name}[/] ({system.licence}): {system.note}; {versions}",
            highlight=False,
            soft_wrap=True,
        )
        if system.failure:
            console.print(f"  [red]did not run:[/] {system.failure}", highlight=False)
        for recording, why in system.failures.items():
            console.print(f"  [red]{recording}:[/] {why}", highlight=False)


def new_table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    return table


def _score_cells(score: Score) -> list[str]:
    speech = score.strict.speech or float("nan")
    strict = score.strict
    return [
        f"{100 * strict.rate:.1f}",
        *(f"{100 * s / speech:.1f}" for s in (strict.miss, strict.false_alarm, strict.confusion)),
        f"{100 * score.lenient.rate:.1f}",
        f"{100 * score.jaccard_rate:.1f}",
        f"{score.found}/{score.speakers}"
        if score.recordings == 1
        else f"{score.exact}/{score.recordings}",
        str(score.miscounted),
    ]


def _cost_cells(total: Total) -> list[str]:
    return [f"{total.wall_rtf:.4f}", f"{total.cpu_rtf:.4f}", f"{total.peak_rss_mb:.0f}"]

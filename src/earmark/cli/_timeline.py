"""The timeline in the terminal: a lane per speaker, a time axis, the talk-time figures."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from earmark.cli._options import clock_text, length_text
from earmark.diarization import Diarization, Turn, one_line

__all__ = ["axis_text", "colour", "fit", "lane_text", "levels_of", "print_timeline"]

_COLOURS = (
    "cyan", "magenta", "yellow", "green", "blue", "red",
    "bright_cyan", "bright_magenta", "bright_yellow", "bright_green", "bright_blue", "bright_red",
)  # fmt: skip
_LEVELS = " ▁▂▃▄▅▆▇█"  # how much of a column's time the speaker talks
_ASCII_LEVELS = " ..::==##"
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600)
_LONGEST_NAME = 20
_TICK_CELLS = 10


def print_timeline(result: Diarization, console: Console) -> None:
    """Print who spoke when, as wide as the terminal, and how much each one spoke."""
    names = [fit(one_line(speaker)) for speaker in result.speakers]
    count = len(result.speakers)
    title = Text(result.uri or "recording", style="bold")
    title.append(
        f"  {clock_text(result.duration)}, {count} speaker{'' if count == 1 else 's'}"
        f" in {len(result)} turn{'' if len(result) == 1 else 's'}",
        style="not bold dim",
    )
    console.print(title, soft_wrap=True, highlight=False)
    if not result.speakers:
        console.print("Nobody speaks in this recording.")
        return
    margin = max(cell_len(name) for name in names) + 1
    width = max(10, console.width - margin - 1)
    levels = levels_of(console)
    for index, (speaker, name) in enumerate(zip(result.speakers, names, strict=True)):
        lane = lane_text(
            [turn for turn in result if turn.speaker == speaker],
            start=result.start_s,
            end=result.end_s,
            width=width,
            levels=levels,
        )
        line = Text(set_cell_size(name, margin))
        line.append(lane, style=colour(index))
        console.print(line, soft_wrap=True, highlight=False)
    axis = axis_text(start=result.start_s, end=result.end_s, width=width)
    console.print(Text(" " * margin + axis, style="dim"), soft_wrap=True, highlight=False)
    console.print()
    console.print(_figures(result, names))


def levels_of(console: Console) -> str:
    """The characters that `lane_text` fills lanes with, as far as the terminal has them."""
    return _LEVELS if (console.encoding or "").lower().startswith("utf") else _ASCII_LEVELS


def colour(index: int) -> str:
    """The colour of the speaker with this number."""
    return _COLOURS[index % len(_COLOURS)]


def lane_text(
    turns: Sequence[Turn], *, start: float, end: float, width: int, levels: str = _LEVELS
) -> str:
    """``width`` characters over start..end, each as full as the speaker's talk in its time."""
    step = (end - start) / width
    talk = [0.0] * width
    for turn in turns:
        first = min(width - 1, int((turn.start - start) / step))
        last = min(width - 1, int((turn.end - start) / step))
        for column in range(first, last + 1):
            left = start + column * step
            talk[column] += max(0.0, min(turn.end, left + step) - max(turn.start, left))
    top = len(levels) - 1
    # Any talk at all is shown, be it ever so short.
    return "".join(
        levels[max(1, min(top, round(top * part / step)))] if part > 0 else levels[0]
        for part in talk
    )


def axis_text(*, start: float, end: float, width: int) -> str:
    """Times under the lanes, each beginning at its moment."""
    ticks = max(1, width // _TICK_CELLS)
    step = next((s for s in _STEPS_S if (end - start) / s <= ticks), _STEPS_S[-1])
    line = ""
    moment = -(-start // step) * step
    while moment < end:
        column = round((moment - start) / (end - start) * width)
        label = clock_text(moment)
        if (not line or column > len(line)) and column + len(label) <= width:
            line = line.ljust(column) + label
        moment += step
    return line


def _figures(result: Diarization, names: Sequence[str]) -> Table:
    chart = result.chart()
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("speaker")
    for heading in ("talk", "share", "turns", "longest", "overlap", "interrupts"):
        table.add_column(heading, justify="right")
    for index, (row, name) in enumerate(zip(chart.speakers, names, strict=True)):
        table.add_row(
            Text(name, style=colour(index)),
            length_text(row.talk),
            f"{row.share:.0%}",
            str(row.turns),
            length_text(row.longest_turn),
            length_text(row.overlap),
            str(row.interruptions),
        )
    table.caption = (
        f"speech {length_text(chart.speech)}, silence {length_text(chart.silence)}, "
        f"overlap {length_text(chart.overlap)}"
    )
    table.caption_justify = "left"
    return table


def fit(name: str) -> str:
    """A name that leaves room for the lane."""
    if cell_len(name) <= _LONGEST_NAME:
        return name
    return set_cell_size(name, _LONGEST_NAME - 1).rstrip() + "…"

"""Praat TextGrid, long text format (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from earmark.diarization._exports._text import one_line
from earmark.diarization._turn import Turn, unite

__all__ = ["textgrid"]

_MIN_S = 0.001  # Praat refuses a grid of no length


def textgrid(turns: Iterable[Turn], *, start: float, end: float) -> str:
    """One interval tier per speaker, in order of first appearance, without gaps.

    An interval holds the speaker's name while they speak and is empty otherwise; ``"`` in names
    is doubled. A recording without speech gets one empty tier, because Praat needs one.
    """
    tiers: dict[str, list[Turn]] = {}
    for turn in turns:
        tiers.setdefault(turn.speaker, []).append(replace(turn, channel=None))
    end = max(end, start + _MIN_S)
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        f"xmin = {start:.3f}",
        f"xmax = {end:.3f}",
        "tiers? <exists>",
        f"size = {max(1, len(tiers))}",
        "item []:",
    ]
    for number, (speaker, rows) in enumerate((tiers or {"speakers": []}).items(), start=1):
        name = one_line(speaker).replace('"', '""')
        intervals = _covering(unite(rows), name, start, end)
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "{name}"',
            f"        xmin = {start:.3f}",
            f"        xmax = {end:.3f}",
            f"        intervals: size = {len(intervals)}",
        ]
        for index, (left, right, text) in enumerate(intervals, start=1):
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {left:.3f}",
                f"            xmax = {right:.3f}",
                f'            text = "{text}"',
            ]
    return "\n".join(lines) + "\n"


def _covering(
    turns: Sequence[Turn], name: str, start: float, end: float
) -> list[tuple[float, float, str]]:
    """The turns as (start, end, name), with empty intervals in the gaps."""
    intervals: list[tuple[float, float, str]] = []
    reach = start
    for turn in turns:
        if turn.start > reach:
            intervals.append((reach, turn.start, ""))
        intervals.append((turn.start, turn.end, name))
        reach = turn.end
    if end > reach:
        intervals.append((reach, end, ""))
    return intervals

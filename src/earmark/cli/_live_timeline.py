"""The timeline of a live session: lanes that grow while somebody speaks."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.text import Text

from earmark.cli._options import clock_text
from earmark.cli._timeline import axis_text, colour, fit, lane_text, levels_of
from earmark.diarization import Turn, one_line
from earmark.live import KnownTurn, LiveView, TurnState

__all__ = ["live_timeline"]

_SHOWN_S = 60.0


def live_timeline(view: LiveView, console: Console) -> RenderableType:
    """The last minute, a lane per speaker; what may still change is dim, who speaks is bold."""
    end = max(_SHOWN_S, view.at)
    start = end - _SHOWN_S
    names = [_name(view, speaker) for speaker in view.speakers]
    margin = max(map(cell_len, names), default=0) + 1
    width = max(10, console.width - margin - 1)
    title = Text(clock_text(view.at), style="bold")
    title.append(f"  {_speaking(view)}", style="not bold")
    lines = [title]
    for index, (speaker, name) in enumerate(zip(view.speakers, names, strict=True)):
        turns = [turn for turn in view.turns if turn.speaker == speaker and turn.end > start]
        lines.append(
            Text.assemble(
                set_cell_size(name, margin),
                _lane(turns, start, end, width, colour(index), levels_of(console)),
            )
        )
    axis = axis_text(start=start, end=end, width=width)
    lines.append(Text(" " * margin + axis, style="dim"))
    return Group(*lines)


def _lane(
    turns: Sequence[KnownTurn], start: float, end: float, width: int, style: str, levels: str
) -> Text:
    shown = [
        Turn(start=max(each.start, start), end=min(each.end, end), speaker=each.speaker)
        for each in turns
    ]
    lane = Text(lane_text(shown, start=start, end=end, width=width, levels=levels), style=style)
    for each in turns:
        if each.state is TurnState.PROVISIONAL:
            step = (end - start) / width
            first, last = int((each.start - start) / step), int((each.end - start) / step) + 1
            lane.stylize("dim", max(0, first), min(width, last))
    return lane


def _speaking(view: LiveView) -> str:
    """Who speaks now."""
    going = {turn.speaker: turn.name for turn in view.turns if turn.going}
    if not going:
        return "nobody speaks"
    names = [one_line(name or speaker) for speaker, name in going.items()]
    return f"{' and '.join(names)} speak{'s' if len(names) == 1 else ''}"


def _name(view: LiveView, speaker: str) -> str:
    identity = view.identities.get(speaker)
    return fit(one_line(speaker if identity is None else identity.name))

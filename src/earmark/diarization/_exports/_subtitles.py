"""SubRip (SRT) and WebVTT: one cue per turn, its text the speaker's name."""

from __future__ import annotations

from collections.abc import Iterable

from earmark.diarization._exports._text import clock, one_line
from earmark.diarization._turn import Turn

__all__ = ["srt", "vtt"]

# SRT knows no escapes: players read <...> as markup, and parsers "-->" as the next cue's times.
_SRT_SAFE = str.maketrans("<>", "‹›")
_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def srt(turns: Iterable[Turn]) -> str:
    """Numbered cues; ``<`` and ``>`` in names become ``‹`` and ``›``."""
    return "\n".join(
        f"{number}\n{clock(turn.start, ',')} --> {clock(turn.end, ',')}\n"
        f"{one_line(turn.speaker).translate(_SRT_SAFE)}\n"
        for number, turn in enumerate(turns, start=1)
    )


def vtt(turns: Iterable[Turn]) -> str:
    """Cues with voice spans (https://www.w3.org/TR/webvtt1/#webvtt-cue-voice-span)."""
    cues = ["WEBVTT\n"]
    for turn in turns:
        name = one_line(turn.speaker).translate(_VTT_ESCAPES)
        cues.append(f"{clock(turn.start, '.')} --> {clock(turn.end, '.')}\n<v {name}>{name}</v>\n")
    return "\n".join(cues)

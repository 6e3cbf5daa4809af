"""What people type, as values: clock times, channels, formats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from earmark.errors import InvalidOption, SpeechError

__all__ = [
    "Channels",
    "Damage",
    "FalseAccepts",
    "Format",
    "clock_text",
    "length_text",
    "naming",
    "parse_channels",
    "parse_time",
]

_TIME = re.compile(
    r"(?:(?:([0-9]+):(?=[0-5]?[0-9]:))?([0-9]+):(?=[0-5]?[0-9](?:\.|$)))?([0-9]*\.?[0-9]+)"
)

Channels = str | tuple[int, ...]

FalseAccepts = Annotated[
    float,
    typer.Option(
        "--false-accepts",
        min=1e-6,
        max=0.5,
        metavar="RATE",
        help="How often, at most, a stranger may be taken for somebody.",
    ),
]
"""The option of commands that look for people in a gallery."""


class Format(StrEnum):
    """The text formats of a diarization, as in `earmark.diarization.FORMATS`."""

    RTTM = "rttm"
    JSON = "json"
    CSV = "csv"
    SRT = "srt"
    VTT = "vtt"
    TEXTGRID = "textgrid"
    AUDACITY = "audacity"


class Damage(StrEnum):
    """What to do when a recording breaks off."""

    ERROR = "error"
    WARN = "warn"


@contextmanager
def naming(recording: Path) -> Iterator[None]:
    """Say which of several recordings it is whose speech an error is about."""
    try:
        yield
    except SpeechError:
        typer.echo(f"{recording.name}:", err=True)
        raise


def parse_time(text: str) -> float:
    """Seconds of ``90``, ``1:30`` or ``1:02:03.5``. Raises `InvalidOption`."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise InvalidOption(f"{text!r} is no time; write seconds (90), m:ss (1:30) or h:mm:ss.")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def parse_channels(text: str) -> Channels:
    """``mix``, ``split``, channel numbers from 0 such as ``0,2``, or those mixed: ``mix:0,2``.

    Raises `InvalidOption`.
    """
    if text in ("mix", "split"):
        return text
    parts = [part.strip() for part in text.removeprefix("mix:").split(",")]
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise InvalidOption(
            f"{text!r} names no channels; write mix, split, numbers from 0 such as 0,2, or mix:0,2."
        )
    channels = tuple(int(part) for part in parts)
    if len(set(channels)) < len(channels):
        raise InvalidOption(f"--channels {text} names a channel twice; name it once.")
    return f"mix:{','.join(map(str, channels))}" if text.startswith("mix:") else channels


def clock_text(seconds: float) -> str:
    """``0:07``, ``12:34`` or ``1:02:03``, rounded to the second."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def length_text(seconds: float) -> str:
    """``1.9 s`` under a minute, ``12:34`` or ``1:02:03`` from there on."""
    return f"{seconds:.1f} s" if seconds < 60 else clock_text(seconds)

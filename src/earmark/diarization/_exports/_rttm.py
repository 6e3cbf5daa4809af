"""RTTM, the Rich Transcription Time Marked format.

NIST, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan", appendix A:
ten fields separated by white space; unknown ones are ``<NA>``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from earmark.diarization._exports._text import one_line
from earmark.diarization._turn import Turn, sorted_turns
from earmark.errors import InvalidInput

__all__ = ["parse_rttm", "rttm"]

_UNNAMED = "recording"
_OTHER_TYPES = frozenset(
    (
        "A/P", "CB", "EDIT", "FILLER", "IP", "LEXEME", "NON-LEX", "NON-SPEECH", "NOSCORE",
        "NO_RT_METADATA", "SEGMENT", "SPKR-INFO", "SU",
    )
)  # fmt: skip


def rttm(turns: Iterable[Turn], *, uri: str | None) -> str:
    """One SPEAKER line per turn, times to the millisecond.

    Fields cannot hold white space, so it becomes ``_`` in names; two names that would become one
    are kept apart by a number. The channel field counts from 1, and is 1 for a mix. The ninth
    field holds the turn's confidence.
    """
    turns = tuple(turns)
    names = _distinct_fields(dict.fromkeys(turn.speaker for turn in turns))
    file = _field(uri) if uri and _field(uri) else _UNNAMED
    return "".join(
        f"SPEAKER {file} {1 if turn.channel is None else turn.channel + 1} "
        f"{turn.start:.3f} {turn.duration:.3f} <NA> <NA> {names[turn.speaker]} "
        f"{'<NA>' if turn.confidence is None else f'{turn.confidence:.3f}'} <NA>\n"
        for turn in turns
    )


def _field(text: str) -> str:
    return "_".join(one_line(text).split())


def _distinct_fields(names: Iterable[str]) -> Mapping[str, str]:
    names = tuple(names)
    fields: dict[str, str] = {name: name for name in names if _field(name) == name}
    taken = set(fields)
    for name in names:
        if name not in fields:
            field, number = _field(name), 1
            while field in taken:
                number += 1
                field = f"{_field(name)}_{number}"
            fields[name] = field
            taken.add(field)
    return fields


@dataclass(frozen=True, slots=True)
class _Line:
    uri: str
    channel: int
    start: float
    duration: float
    speaker: str
    confidence: float | None


def parse_rttm(
    source: str | PathLike[str], *, uri: str | None
) -> tuple[str | None, tuple[Turn, ...], tuple[str, ...]]:
    """The recording's name, its turns and warnings.

    A string is the text itself when it holds a line break or begins with ``SPEAKER`` or ``;;`` or
    is empty, and a path otherwise. Record types of RTTM other than SPEAKER and ``;;`` comments
    are passed over; a turn of no length is left out with a warning. The channels count from 0
    when a recording uses more than one of them, and are None when it uses a single one.
    Raises `InvalidInput`.
    """
    lines: list[_Line] = []
    warnings: list[str] = []
    for number, text in enumerate(_read(source).splitlines(), start=1):
        line = _parse_line(text, number)
        if line is None:
            continue
        if round(line.start + line.duration, 3) <= round(line.start, 3):
            warnings.append(f"Line {number} holds a turn of no length; it was left out.")
        lines.append(line)
    names = tuple(dict.fromkeys(line.uri for line in lines))
    if uri is None:
        if len(names) > 1:
            raise InvalidInput(
                f"The RTTM holds {len(names)} recordings ({', '.join(names[:5])}"
                f"{', …' if len(names) > 5 else ''}); name the one to read with uri=."
            )
        uri = names[0] if names else None
    elif names and uri not in names:
        raise InvalidInput(f"The RTTM holds no recording {uri!r}, only {', '.join(names[:5])}.")
    mine = [line for line in lines if line.uri == uri]
    channels = {line.channel for line in mine}
    first = min(channels, default=1) and 1  # some tools count from 0
    turns = sorted_turns(
        Turn(
            start=line.start,
            end=line.start + line.duration,
            speaker=line.speaker,
            channel=None if len(channels) < 2 else line.channel - first,
            confidence=line.confidence,
        )
        for line in mine
        if round(line.start + line.duration, 3) > round(line.start, 3)
    )
    return uri, turns, tuple(warnings)


def _read(source: str | PathLike[str]) -> str:
    if isinstance(source, str) and (
        not source or "\n" in source or "\r" in source or source.startswith(("SPEAKER ", ";;"))
    ):
        return source
    path = Path(os.fspath(source))
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"Cannot read the RTTM file {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{path} is not RTTM: it is not UTF-8 text from byte {error.start} on."
        ) from error


def _parse_line(text: str, number: int) -> _Line | None:
    fields = text.split()
    if not fields or fields[0].startswith(";;"):
        return None

    def wrong(what: str) -> InvalidInput:
        return InvalidInput(f"Line {number} of the RTTM {what}: {text.strip()[:120]!r}.")

    if fields[0] in _OTHER_TYPES:
        return None
    if fields[0] != "SPEAKER":
        raise wrong(f"has the unknown record type {fields[0][:40]!r}")
    if len(fields) not in (9, 10):  # the tenth, signal look-ahead time, came with RT-09
        raise wrong(f"has {len(fields)} fields where a SPEAKER record has 10")

    def number_in(field: str, what: str) -> float:
        try:
            value = float(field)
        except ValueError:
            raise wrong(f"has a {what} that is no number, {field!r}") from None
        if not 0 <= value < float("inf"):
            raise wrong(f"has an impossible {what}, {field}")
        return value

    if not (fields[2].isascii() and fields[2].isdecimal()):
        raise wrong(f"has a channel that is no whole number, {fields[2]!r}")
    confidence = None if fields[8] == "<NA>" else number_in(fields[8], "confidence")
    if confidence is not None and confidence > 1:
        raise wrong(f"has a confidence above 1, {fields[8]}")
    return _Line(
        uri=fields[1],
        channel=int(fields[2]),
        start=number_in(fields[3], "start"),
        duration=number_in(fields[4], "duration"),
        speaker=fields[7],
        confidence=confidence,
    )

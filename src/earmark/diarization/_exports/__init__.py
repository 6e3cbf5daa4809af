"""Turns as text: one module per family of formats, none of which a name can break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earmark.diarization._exports._json import json_document, parse_json_document
from earmark.diarization._exports._pyannote import pyannote
from earmark.diarization._exports._rttm import parse_rttm, rttm
from earmark.diarization._exports._speech import parse_speech_document, speech_document
from earmark.diarization._exports._subtitles import srt, vtt
from earmark.diarization._exports._tables import audacity, csv_table
from earmark.diarization._exports._text import one_line
from earmark.diarization._exports._textgrid import textgrid

if TYPE_CHECKING:
    from earmark.diarization._result import Diarization

__all__ = [
    "FORMATS",
    "ExportFormat",
    "audacity",
    "csv_table",
    "json_document",
    "one_line",
    "parse_json_document",
    "parse_rttm",
    "parse_speech_document",
    "pyannote",
    "rttm",
    "speech_document",
    "srt",
    "textgrid",
    "vtt",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportFormat:
    """A text format: its file name extension (with the dot) and the writer.

    ``write(result, exclusive)`` gives the text. JSON always holds both sorts of turns.
    """

    extension: str
    write: Callable[[Diarization, bool], str]


FORMATS: Mapping[str, ExportFormat] = {
    name: ExportFormat(extension=extension, write=write)
    for name, extension, write in (
        ("rttm", ".rttm", lambda result, exclusive: result.to_rttm(exclusive=exclusive)),
        ("json", ".json", lambda result, _: result.to_json()),
        ("csv", ".csv", lambda result, exclusive: result.to_csv(exclusive=exclusive)),
        ("srt", ".srt", lambda result, exclusive: result.to_srt(exclusive=exclusive)),
        ("vtt", ".vtt", lambda result, exclusive: result.to_vtt(exclusive=exclusive)),
        ("textgrid", ".TextGrid", lambda result, only: result.to_textgrid(exclusive=only)),
        ("audacity", ".txt", lambda result, exclusive: result.to_audacity(exclusive=exclusive)),
    )
}
"""Every text format by the name that the command line and the services give it."""

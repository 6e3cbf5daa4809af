"""Turns as text: one module per family of formats, none of which a name can break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earmark.diarization._exports._json import json_document, parse_json_document
from earmark.diarization._exports._pyannote import pyannote
from earmark.diarization._exports._rttm import parse_rttm, rttm
from earmark.diarization._exports._subtitles import srt, vtt
from earmark.diarization._exports._tables import audacity, csv_table
from earmark.diarization._exports._textgrid import textgrid

if TYPE_CHECKING:
    from earmark.diarization._result import Diarization

__all__ = [
    "FORMATS",
    "ExportFormat",
    "audacity",
    "csv_table",
    "json_document",
    "parse_json_document",
    "parse_rttm",
    "pyannote",
    "rttm",
    "srt",
    "textgrid",
    "vtt",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportFormat:
    """A text format: its file name extension (with the dot) and the writer."""

    extension: str
    write: Callable[[Diarization], str]


FORMATS: Mapping[str, ExportFormat] = {
    "rttm": ExportFormat(extension=".rttm", write=lambda result: result.to_rttm()),
    "json": ExportFormat(extension=".json", write=lambda result: result.to_json()),
    "csv": ExportFormat(extension=".csv", write=lambda result: result.to_csv()),
    "srt": ExportFormat(extension=".srt", write=lambda result: result.to_srt()),
    "vtt": ExportFormat(extension=".vtt", write=lambda result: result.to_vtt()),
    "textgrid": ExportFormat(extension=".TextGrid", write=lambda result: result.to_textgrid()),
    "audacity": ExportFormat(extension=".txt", write=lambda result: result.to_audacity()),
}
"""Every text format by the name that the command line and the services give it."""

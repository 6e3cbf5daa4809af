"""Who spoke when: a recording in, turns out."""

from __future__ import annotations

from earmark.diarization._chart import Chart, SpeakerChart
from earmark.diarization._confidence import FrameConfidence
from earmark.diarization._exports import FORMATS, ExportFormat, one_line
from earmark.diarization._result import Diarization
from earmark.diarization._turn import Turn

__all__ = [
    "FORMATS",
    "Chart",
    "Diarization",
    "ExportFormat",
    "FrameConfidence",
    "SpeakerChart",
    "Turn",
    "one_line",
]

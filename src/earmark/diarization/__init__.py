"""Who spoke when: a recording in, turns out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from earmark.diarization._chart import Chart, SpeakerChart, stretches
from earmark.diarization._confidence import FrameConfidence
from earmark.diarization._exports import FORMATS, ExportFormat, one_line
from earmark.diarization._one_voice import one_voice
from earmark.diarization._progress import OnProgress, Progress
from earmark.diarization._result import Diarization
from earmark.diarization._speech import ChannelSpeech, SpeechActivity
from earmark.diarization._turn import Turn

if TYPE_CHECKING:
    from earmark.diarization._diarizer import Diarizer, diarize

__all__ = [
    "FORMATS",
    "ChannelSpeech",
    "Chart",
    "Diarization",
    "Diarizer",
    "ExportFormat",
    "FrameConfidence",
    "OnProgress",
    "Progress",
    "SpeakerChart",
    "SpeechActivity",
    "Turn",
    "diarize",
    "one_line",
    "one_voice",
    "stretches",
]


def __getattr__(name: str) -> object:
    # The engine needs ONNX Runtime and PyAV, which a result that is only read does not.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("earmark.diarization._diarizer"), name)

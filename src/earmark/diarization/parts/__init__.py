"""The parts of the analysis, for who puts them together to follow sound as it comes.

They are as stable as the program that they are of, and no further.
"""

from __future__ import annotations

from earmark.diarization._answer import diarization_of
from earmark.diarization._assignment import nearest_speakers
from earmark.diarization._channel import Channel, Span, find_voices, label_voices, unit_seconds
from earmark.diarization._clustering import Clusters, CountHint
from earmark.diarization._evidence import SPAN_WINDOWS, Evidence
from earmark.diarization._filters import FilterLine
from earmark.diarization._gathering import Gathering
from earmark.diarization._grid import FRAME_S, FRAME_SAMPLES, FRAME_START_S, WINDOW_SAMPLES, runs
from earmark.diarization._labelling import hysteresis, without_flicker
from earmark.diarization._linkage import average_linkage
from earmark.diarization._models import Models
from earmark.diarization._parameters import ACCURATE, Parameters
from earmark.diarization._pooling import Pooler
from earmark.diarization._segmentation import CLASS_SPEAKERS, LOCAL_SPEAKERS

__all__ = [
    "ACCURATE",
    "CLASS_SPEAKERS",
    "FRAME_S",
    "FRAME_SAMPLES",
    "FRAME_START_S",
    "LOCAL_SPEAKERS",
    "SPAN_WINDOWS",
    "WINDOW_SAMPLES",
    "Channel",
    "Clusters",
    "CountHint",
    "Evidence",
    "FilterLine",
    "Gathering",
    "Models",
    "Parameters",
    "Pooler",
    "Span",
    "average_linkage",
    "diarization_of",
    "find_voices",
    "hysteresis",
    "label_voices",
    "nearest_speakers",
    "runs",
    "unit_seconds",
    "without_flicker",
]

"""Voiceprints: what a voice sounds like, comparable within one model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from earmark.voiceprints._matching import best_matching
from earmark.voiceprints._quality import Quality
from earmark.voiceprints._voiceprint import (
    DEFAULT_MODEL,
    DIMENSIONS,
    Voiceprint,
    require_model,
)

if TYPE_CHECKING:
    from earmark.voiceprints._assignment import Assignment, Searchable, assign
    from earmark.voiceprints._calibration import Calibration, Sound
    from earmark.voiceprints._extractor import SpeechSpan, VoiceprintExtractor
    from earmark.voiceprints._fitting import (
        Comparisons,
        fit_calibration,
        fit_telephone,
        fit_to_site,
        require_enough,
    )
    from earmark.voiceprints._index import Hit, Index
    from earmark.voiceprints._making import Heard, VoiceprintMaker
    from earmark.voiceprints._network import EmbeddingNetwork, FilterBank, Sums, pool, unit

__all__ = [
    "DEFAULT_MODEL",
    "DIMENSIONS",
    "Assignment",
    "Calibration",
    "Comparisons",
    "EmbeddingNetwork",
    "FilterBank",
    "Heard",
    "Hit",
    "Index",
    "Quality",
    "Searchable",
    "Sound",
    "SpeechSpan",
    "Sums",
    "Voiceprint",
    "VoiceprintExtractor",
    "VoiceprintMaker",
    "assign",
    "best_matching",
    "fit_calibration",
    "fit_telephone",
    "fit_to_site",
    "pool",
    "require_enough",
    "require_model",
    "unit",
]

_HOMES = {
    "Assignment": "_assignment",
    "Calibration": "_calibration",
    "Comparisons": "_fitting",
    "Heard": "_making",
    "Hit": "_index",
    "Index": "_index",
    "Searchable": "_assignment",
    "Sound": "_calibration",
    "SpeechSpan": "_extractor",
    "VoiceprintExtractor": "_extractor",
    "VoiceprintMaker": "_making",
    "assign": "_assignment",
    "fit_calibration": "_fitting",
    "fit_telephone": "_fitting",
    "fit_to_site": "_fitting",
    "require_enough": "_fitting",
}


def __getattr__(name: str) -> object:
    # The networks need ONNX Runtime, which a result that is only read does not.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, "_network")
    return getattr(import_module(f"{__name__}.{home}"), name)

"""Voiceprints: what a voice sounds like, comparable within one model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from earmark.voiceprints._matching import best_matching
from earmark.voiceprints._quality import Quality
from earmark.voiceprints._voiceprint import DEFAULT_MODEL, Voiceprint, require_model

if TYPE_CHECKING:
    from earmark.voiceprints._extractor import SpeechSpan, VoiceprintExtractor
    from earmark.voiceprints._network import EmbeddingNetwork, FilterBank, Sums, pool, unit

__all__ = [
    "DEFAULT_MODEL",
    "EmbeddingNetwork",
    "FilterBank",
    "Quality",
    "SpeechSpan",
    "Sums",
    "Voiceprint",
    "VoiceprintExtractor",
    "best_matching",
    "pool",
    "require_model",
    "unit",
]

_EXTRACTOR = ("SpeechSpan", "VoiceprintExtractor")


def __getattr__(name: str) -> object:
    # The networks need ONNX Runtime, which a result that is only read does not.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "_extractor" if name in _EXTRACTOR else "_network"
    return getattr(import_module(f"{__name__}.{home}"), name)

"""Voiceprints: what a voice sounds like, comparable within one model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from earmark.voiceprints._matching import best_matching
from earmark.voiceprints._voiceprint import Voiceprint

if TYPE_CHECKING:
    from earmark.voiceprints._network import EmbeddingNetwork, FilterBank, Sums, pool, unit

__all__ = [
    "EmbeddingNetwork",
    "FilterBank",
    "Sums",
    "Voiceprint",
    "best_matching",
    "pool",
    "unit",
]


def __getattr__(name: str) -> object:
    # The networks need ONNX Runtime, which a result that is only read does not.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("earmark.voiceprints._network"), name)

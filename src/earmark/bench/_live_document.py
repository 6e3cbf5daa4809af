"""A live benchmark's findings as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from earmark.bench._document import score_document
from earmark.bench._live import LiveLoadReport
from earmark.bench._live_accuracy import LiveAccuracy
from earmark.bench._live_names import Naming
from earmark.bench._score import Score

__all__ = ["live_document"]


def live_document(
    load: LiveLoadReport | None = None,
    accuracy: LiveAccuracy | None = None,
    names: Naming | None = None,
) -> dict[str, Any]:
    """The document ``earmark.bench.live/1``, of what was measured. Rates are fractions."""
    return {
        "schema": "earmark.bench.live/1",
        "load": None if load is None else asdict(load) | {"most": load.most},
        "accuracy": None if accuracy is None else _accuracy(accuracy),
        "names": None if names is None else asdict(names),
    }


def _accuracy(found: LiveAccuracy) -> dict[str, Any]:
    return {
        "delay_s": found.delay_s,
        "total": _layers(found.total),
        "recordings": {name: _layers(layers) for name, layers in found.recordings.items()},
        "first_told_s": [round(seconds, 3) for seconds in found.first_told_s],
        "confirmed_s": [round(seconds, 3) for seconds in found.confirmed_s],
    }


def _layers(scores: Mapping[str, Score]) -> dict[str, Any]:
    return {layer: score_document(each) for layer, each in scores.items()}

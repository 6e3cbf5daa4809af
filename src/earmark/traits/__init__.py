"""What kind of sound and voice: speech, music or other sound, and gender, over a time line.

    >>> from earmark.models import answer_alone
    >>> from earmark.traits import TraitKind, TraitModels, TraitOptions, TraitTracker
    >>> models = TraitModels.load()
    >>> tracker = TraitTracker(models, TraitOptions(kinds=(TraitKind.SPEECH, TraitKind.GENDER)))
    >>> reports = answer_alone(tracker.step(samples), models.networks)  # then tracker.finish()

Values are loaded at once; the networks, which need ONNX Runtime, when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from earmark.traits._model import GENDERS, SOUNDS, Trait, TraitKind, TraitOptions, TraitReport

if TYPE_CHECKING:
    from earmark.traits._gender import Gender, gender_of
    from earmark.traits._models import TraitModels
    from earmark.traits._tracker import TraitTracker

__all__ = [
    "GENDERS",
    "SOUNDS",
    "Gender",
    "Trait",
    "TraitKind",
    "TraitModels",
    "TraitOptions",
    "TraitReport",
    "TraitTracker",
    "gender_of",
]

_HOMES = {
    "Gender": "_gender",
    "TraitModels": "_models",
    "TraitTracker": "_tracker",
    "gender_of": "_gender",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

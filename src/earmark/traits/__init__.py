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

from earmark.traits._model import (
    GENDERS,
    OFFERED,
    SOUNDS,
    Trait,
    TraitKind,
    TraitOptions,
    TraitReport,
)

if TYPE_CHECKING:
    from earmark.traits._gender import Gender, gender_of
    from earmark.traits._models import TraitModels
    from earmark.traits._recordings import SoundSpan, read_gender, read_sounds, read_traits
    from earmark.traits._results import ChannelGender, ChannelTraits, Genders, TraitSeries
    from earmark.traits._tracker import TraitTracker

__all__ = [
    "GENDERS",
    "OFFERED",
    "SOUNDS",
    "ChannelGender",
    "ChannelTraits",
    "Gender",
    "Genders",
    "SoundSpan",
    "Trait",
    "TraitKind",
    "TraitModels",
    "TraitOptions",
    "TraitReport",
    "TraitSeries",
    "TraitTracker",
    "gender_of",
    "read_gender",
    "read_sounds",
    "read_traits",
]

_HOMES = {
    "ChannelGender": "_results",
    "ChannelTraits": "_results",
    "Gender": "_gender",
    "Genders": "_results",
    "SoundSpan": "_recordings",
    "TraitModels": "_models",
    "TraitSeries": "_results",
    "TraitTracker": "_tracker",
    "gender_of": "_gender",
    "read_gender": "_recordings",
    "read_sounds": "_recordings",
    "read_traits": "_recordings",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

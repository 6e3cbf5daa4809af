"""What kind of sound and voice: speech, music or other sound, and gender, over a time line."""

from __future__ import annotations

from earmark.traits._model import GENDERS, SOUNDS, Trait, TraitKind, TraitOptions, TraitReport

__all__ = ["GENDERS", "SOUNDS", "Trait", "TraitKind", "TraitOptions", "TraitReport"]

"""What the dialect is called in rows, where it is mounted, and the models that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from earmark.traits import GENDERS, SOUNDS, TraitKind

__all__ = ["FILES", "NAME", "NO_SPEECH", "OFFERED", "SPEAKER_MAP", "STREAM", "TRAITS"]

NAME: Final = "deeptone"
STREAM: Final = "/stream"
FILES: Final = "/file-processing"

SPEAKER_MAP: Final = "speaker-map"
NO_SPEECH: Final = "no_speech"

TRAITS: Final[Mapping[str, tuple[TraitKind, tuple[str, ...]]]] = {
    "speech": (TraitKind.SPEECH, SOUNDS),
    "speech-rt": (TraitKind.SPEECH_RT, SOUNDS),
    "gender": (TraitKind.GENDER, GENDERS),
}
"""The models that answer with a label: what they are here, and their labels."""

OFFERED: Final = (*TRAITS, SPEAKER_MAP)
"""All models."""

"""What a live session is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from earmark.audio import PcmFormat
from earmark.errors import InvalidOption
from earmark.live._events import Identity
from earmark.traits import TraitOptions
from earmark.voiceprints import Voiceprint

__all__ = ["LiveConfig", "Recognizer"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveConfig:
    """What comes and what is wanted of it.

    ``turns``: who speaks when. The numbers of speakers are as `Diarizer.diarize` takes them.
    ``traits``: told every period. ``voiceprints``: voiceprints of the default model are made of
    the speakers (`LiveSession.voices`), which a recognizer brings about as well. ``stats_s`` is
    seconds between two `Stats`. Raises `InvalidOption` when it is not above 0.
    """

    format: PcmFormat = field(default_factory=PcmFormat)
    turns: bool = True
    speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    traits: TraitOptions | None = None
    voiceprints: bool = False
    stats_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.stats_s > 0:
            raise InvalidOption(
                f"Stats are told every so many seconds, not every {self.stats_s:g}."
            )


class Recognizer(Protocol):
    """Who the voices of a session are; asked again whenever much more of one has been heard."""

    def __call__(self, voices: Mapping[str, Voiceprint]) -> Mapping[str, Identity | None]:
        """By label, as the voiceprints of the default model came; None: nobody known.

        Called on a thread of the engine. It may raise any `EarmarkError`: nobody is known then.
        """
        ...

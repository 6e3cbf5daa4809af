"""What kind of sound and voice there is over a time line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from earmark.errors import InvalidOption

__all__ = ["GENDERS", "OFFERED", "SOUNDS", "Trait", "TraitKind", "TraitOptions", "TraitReport"]

SOUNDS = ("speech", "music", "other", "silence")
"""Answers about sound; the raw values are of the first three."""

GENDERS = ("female", "male", "unknown", "no_speech", "silence")
"""Answers about gender; the raw values are of the first two."""

_PERIODS_S = (0.064, 60.0)


class TraitKind(StrEnum):
    """What is asked.

    ``speech`` is what is heard, of the second or two around; ``speech-rt`` the same with as little
    delay as can be; ``gender`` is of the voice that speaks.
    """

    SPEECH = "speech"
    SPEECH_RT = "speech-rt"
    GENDER = "gender"


OFFERED = tuple(kind.value for kind in TraitKind)
"""All that can be asked. Emotion, arousal, language, age and kinds of noise are not offered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TraitOptions:
    """What is asked for every ``period_s`` seconds, 0.064 to 60.

    Where the volume (the root of the mean square of samples in [-1, 1]) is below ``volume_least``,
    there is silence. Raises `InvalidOption` for kinds that are not `OFFERED`, and values that make
    no sense.
    """

    kinds: tuple[TraitKind, ...]
    period_s: float = 1.024
    volume_least: float = 0.0

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in OFFERED:
                raise InvalidOption(
                    f"There is no trait {str(kind)!r}. Those offered are {', '.join(OFFERED)}."
                )
        least, most = _PERIODS_S
        if not least <= self.period_s <= most:
            raise InvalidOption(
                f"Traits are told every {least:g} to {most:g} seconds, not {self.period_s:g}."
            )
        if not 0 <= self.volume_least <= 1:
            raise InvalidOption(f"A volume is between 0 and 1, not {self.volume_least:g}.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trait:
    """One answer: ``confidence`` and the ``raw`` values are 0..1, of what was told from sound."""

    result: str
    confidence: float
    raw: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class TraitReport:
    """The answers for one period, ``start`` to ``end`` seconds; ``volume`` is its loudness, 0..1.

    ``speaker`` is who speaks most of it (None: nobody), ``speakers`` how many people speak in it;
    both are None where nobody asked who speaks.
    """

    start: float
    end: float
    volume: float
    traits: Mapping[TraitKind, Trait]
    speaker: str | None = None
    speakers: int | None = None

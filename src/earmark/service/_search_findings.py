"""What a speaker search task has found out so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from earmark.service._model import Job, SearchOptions

__all__ = ["IDENTIFICATION_S", "VOICEPRINT_S", "Match", "SearchFindings", "asked_of"]

IDENTIFICATION_S = 10.0
"""Net speech that a search needs, in seconds."""

VOICEPRINT_S = 20.0
"""Net speech that a voiceprint to enrol from needs, in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """Somebody who was found; ``probability`` 0..1 that it is the same person."""

    speaker_id: str
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchFindings:
    """What is known of a voice so far.

    ``net_speech_s`` was heard; it is listened to again when ``look_at_s`` seconds of sound have
    come. ``matches`` None: not searched (yet). ``voiceprint``: whether there is one to enrol from,
    None while that is open. ``several``: more than one person spoke, so that there is none.
    ``enrolled`` is the speaker who was enrolled from it, and has it since.
    """

    look_at_s: float = IDENTIFICATION_S
    net_speech_s: float = 0.0
    matches: tuple[Match, ...] | None = None
    voiceprint: bool | None = None
    several: bool = False
    enrolled: str | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        """What is on record of a job."""
        known = dict(job.findings or {})
        if known.get("matches") is not None:
            known["matches"] = tuple(Match(**each) for each in known["matches"])
        return cls(**known)

    @property
    def needed_s(self) -> float:
        """Net speech that the next thing to find out needs, in seconds."""
        return IDENTIFICATION_S if self.matches is None else VOICEPRINT_S

    @property
    def message(self) -> str | None:
        """What is lacking, in a sentence."""
        if self.voiceprint:
            return None
        if self.several:
            return "More than one person spoke: nobody can be enrolled from it."
        return (
            f"{self.net_speech_s:.1f} s of speech were heard, and {self.needed_s:.0f} s are needed."
        )


def asked_of(job: Job) -> SearchOptions:
    """What a speaker search task was asked."""
    assert job.options.search is not None
    return job.options.search

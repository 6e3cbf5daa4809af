"""Comparing voices: what may be asked of it, and how its answers are written."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import from_json

from earmark.service import Candidate

__all__ = [
    "VOICEPRINT_CHARACTERS",
    "CandidateDocument",
    "Ids",
    "MatchingForm",
    "PortableVoiceprint",
    "Voice",
    "candidate_document",
]


def _listed(value: object) -> object:
    """Forms write a list as ``one,two``, or as JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return from_json(value)
    return [each.strip() for each in value.split(",") if each.strip()]


Ids = Annotated[
    list[Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]],
    Field(max_length=100),
    BeforeValidator(_listed),
]
"""Ids; in a form, with commas between them."""

VOICEPRINT_CHARACTERS = 20_000

PortableVoiceprint = Annotated[str, Field(min_length=1, max_length=VOICEPRINT_CHARACTERS)]
"""A voiceprint as base64, as `POST /voiceprints` and exports give it."""


class Voice(BaseModel):
    """A voice: exactly one of the two."""

    media: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="The id of an uploaded recording."
    )
    voiceprint: PortableVoiceprint | None = Field(
        default=None, description="A voiceprint in place of a recording."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.media is None) == (self.voiceprint is None):
            raise ValueError("send either 'media' or 'voiceprint'")
        return self


class MatchingForm(BaseModel):
    """How sure a match has to be, and how much is told of the others."""

    model_config = ConfigDict(extra="forbid")

    false_accept_rate: Annotated[float, Field(ge=1e-9, le=1)] | None = Field(
        default=0.01,
        description="A match needs a score that a stranger reaches at most this often; null: any"
        " score will do.",
    )
    min_probability: float = Field(
        default=0.0, ge=0, le=1, description="A match needs at least this probability."
    )
    alternatives: int = Field(
        default=5, ge=1, le=100, description="How many of the best candidates are told."
    )


class CandidateDocument(BaseModel):
    """Somebody whom a voice was compared with."""

    speaker_id: str | None = Field(description="Null: the voiceprint came with the request.")
    label: str | None = Field(description="Their name, or the label sent; null: erased since.")
    probability: float = Field(
        ge=0, le=1, description="That it is the same person, if that is as likely as not before."
    )
    llr: float = Field(description="Natural log-likelihood ratio; what the threshold is for.")
    cosine: float = Field(description="The raw score, -1..1.")


def candidate_document(candidate: Candidate) -> CandidateDocument:
    return CandidateDocument(
        speaker_id=candidate.speaker_id,
        label=candidate.label,
        probability=candidate.probability,
        llr=candidate.llr,
        cosine=candidate.cosine,
    )

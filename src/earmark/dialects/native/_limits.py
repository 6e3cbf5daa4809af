"""What this server accepts."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from earmark.audio import DEMUXERS
from earmark.dialects.native._access import AdmittingRoute, AnyCaller, TheService
from earmark.dialects.native._documents import Document, KindName
from earmark.dialects.native._formats import FORMATS_OF
from earmark.dialects.native._identifications import MAX_VOICEPRINTS
from earmark.dialects.native._matching import VOICEPRINT_CHARACTERS
from earmark.dialects.native._search import MAX_CLIP_S
from earmark.service import LONGEST_S
from earmark.voiceprints import DEFAULT_MODEL

__all__ = ["router"]

router = APIRouter(tags=["limits"], route_class=AdmittingRoute)


class RecordingLimits(BaseModel):
    """What a recording may be."""

    max_duration_s: float
    max_channels: int
    max_sample_rate: int = Field(description="Hz.")
    max_decoded_samples: int = Field(description="Of all channels, at the recording's own rate.")
    max_bytes: int
    formats: list[str] = Field(description="Containers, by FFmpeg's names.")


class RateLimit(BaseModel):
    """How often one key may ask."""

    per_route: str = Field(examples=["6000/minute"])


class PeopleLimits(BaseModel):
    """How people are enrolled and recognised."""

    model: str = Field(description="Of voiceprints; those of others are refused.")
    consent: Literal["strict", "record"] = Field(
        description="`strict`: nobody is enrolled without a record of consent."
    )
    search_max_duration_s: float = Field(description="Of a recording that is searched for.")
    enrolment_max_duration_s: float = Field(description="Of a recording that enrols somebody.")
    max_voiceprints: int = Field(description="Sent along with one identification.")
    max_voiceprint_characters: int
    keeps_audio: bool = Field(description="Whether recordings that enrol somebody are kept.")
    searchable: bool = Field(description="The default of `searchable`.")


class LimitsDocument(Document):
    """All limits."""

    schema_: Literal["earmark.limits/1"] = Field(default="earmark.limits/1", alias="schema")
    recording: RecordingLimits
    people: PeopleLimits
    result_formats: dict[KindName, list[str]]
    rate_limit: RateLimit
    remote_http: bool = Field(description="Whether recordings are fetched by plain HTTP too.")


@router.get("/limits", summary="See what is accepted")
def get_limits(_: AnyCaller, service: TheService) -> LimitsDocument:
    """The limits of recordings and requests, as this server is set up."""
    settings = service.settings
    return LimitsDocument(
        recording=RecordingLimits(
            max_duration_s=settings.max_duration_s,
            max_channels=settings.max_channels,
            max_sample_rate=settings.max_sample_rate,
            max_decoded_samples=settings.max_decoded_samples,
            max_bytes=settings.max_upload_bytes,
            formats=sorted(name for names in DEMUXERS for name in names.split(",")),
        ),
        people=PeopleLimits(
            model=DEFAULT_MODEL,
            consent=settings.consent,
            search_max_duration_s=MAX_CLIP_S,
            enrolment_max_duration_s=LONGEST_S,
            max_voiceprints=MAX_VOICEPRINTS,
            max_voiceprint_characters=VOICEPRINT_CHARACTERS,
            keeps_audio=settings.keep_enrolment_audio,
            searchable=settings.searchable,
        ),
        result_formats={kind.value: list(names) for kind, names in FORMATS_OF.items()},
        rate_limit=RateLimit(per_route=settings.rate_limit),
        remote_http=settings.allow_http,
    )

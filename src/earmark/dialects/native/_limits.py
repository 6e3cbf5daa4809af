"""What this server accepts."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from earmark.audio import DEMUXERS
from earmark.dialects.native._access import AdmittingRoute, AnyCaller, TheService
from earmark.dialects.native._documents import Document, KindName
from earmark.dialects.native._formats import FORMATS_OF

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


class LimitsDocument(Document):
    """All limits."""

    schema_: Literal["earmark.limits/1"] = Field(default="earmark.limits/1", alias="schema")
    recording: RecordingLimits
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
        result_formats={kind.value: list(names) for kind, names in FORMATS_OF.items()},
        rate_limit=RateLimit(per_route=settings.rate_limit),
        remote_http=settings.allow_http,
    )

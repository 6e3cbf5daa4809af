"""Speakers who are one person, and speakers who are two."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from starlette.requests import Request

from earmark.dialects.native._access import AdmittingRoute, GalleriesCaller, Id, TheService
from earmark.dialects.native._galleries import Label
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._people import SpeakerDocument
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import example

__all__ = ["router"]

router = APIRouter(prefix="/speakers/{speaker_id}", tags=["speakers"], route_class=AdmittingRoute)

_KnownId = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]


class MergeRequest(BaseModel):
    """Whom a speaker is the same person as."""

    model_config = example({"into": "the-id-of-a-speaker"})

    into: _KnownId


class SplitRequest(BaseModel):
    """Which voiceprints are another person's."""

    model_config = example({"name": "Bo", "voiceprint_ids": ["the-id-of-a-voiceprint"]})

    name: Label = Field(description="Of the other person.")
    voiceprint_ids: list[_KnownId] = Field(min_length=1, max_length=1000)


@router.post("/merge", responses=problems(404, 409, 413), summary="Merge speakers")
def merge_speaker(
    speaker_id: Id,
    asked: MergeRequest,
    request: Request,
    response: Response,
    caller: GalleriesCaller,
    service: TheService,
) -> SpeakerDocument:
    """Let this one's voiceprints count for another speaker of the gallery, until unmerged."""
    promise = promise_of(request, response, asked)
    merged = service.speakers.merge(caller, speaker_id, asked.into, idempotency=promise)
    return SpeakerDocument.of(merged)


@router.post("/unmerge", responses=problems(404, 409), summary="Undo a merge")
def unmerge_speaker(
    request: Request,
    response: Response,
    speaker_id: Id,
    caller: GalleriesCaller,
    service: TheService,
) -> SpeakerDocument:
    """Let this one's voiceprints count for themselves again."""
    promise = promise_of(request, response)
    return SpeakerDocument.of(service.speakers.unmerge(caller, speaker_id, idempotency=promise))


@router.post(
    "/split", status_code=201, responses=problems(404, 409, 413), summary="Split a speaker"
)
def split_speaker(
    speaker_id: Id,
    asked: SplitRequest,
    request: Request,
    response: Response,
    caller: GalleriesCaller,
    service: TheService,
) -> SpeakerDocument:
    """Give some of the voiceprints to a new speaker of the same gallery, who is the answer.

    Merging that one into this one takes it back.
    """
    promise = promise_of(request, response, asked)
    split = service.speakers.split(
        caller, speaker_id, asked.voiceprint_ids, name=asked.name, idempotency=promise
    )
    return SpeakerDocument.of(split)

"""What is held of one person, and where they speak."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from earmark.dialects._http import iso
from earmark.dialects.native._access import AdmittingRoute, GalleriesCaller, Id, TheService
from earmark.dialects.native._documents import Document
from earmark.dialects.native._galleries import Cursor, Limit
from earmark.dialects.native._problems import problems
from earmark.service import Appearance

__all__ = ["router"]

router = APIRouter(prefix="/speakers/{speaker_id}", tags=["speakers"], route_class=AdmittingRoute)


class HeardDocument(BaseModel):
    """A voice of a recording that is taken for the speaker's."""

    speaker: str = Field(description="What the recording's result calls the voice.")
    turns: list[tuple[float, float]] = Field(description="Start and end, in seconds.")
    talk_time: float = Field(description="Seconds in all.")
    probability: float
    llr: float
    cosine: float
    found_by: Literal["voiceprint", "identification"] = Field(
        description="The recording's voiceprints were searched, or an identification had said so."
    )


class AppearanceDocument(BaseModel):
    """A recording in which a speaker is heard."""

    job_id: str
    dialect: str
    name: str | None
    created_at: str
    voices: list[HeardDocument]


class RecordingsDocument(Document):
    """A part of the list of recordings in which a speaker is heard, newest first."""

    schema_: Literal["earmark.recordings/1"] = Field(default="earmark.recordings/1", alias="schema")
    items: list[AppearanceDocument]
    cursor: str | None = Field(description="Leads to the next part; null at the end.")
    searched: int = Field(description="How many recordings have voiceprints to be searched.")
    unsearchable: int = Field(
        description="How many have none: there, only an identification can have found somebody."
    )
    threshold: float = Field(description="The log-likelihood ratio that a voice needed.")


@router.get("/recordings", responses=problems(404, 409), summary="Find where somebody speaks")
def list_recordings(
    speaker_id: Id,
    caller: GalleriesCaller,
    service: TheService,
    false_accept_rate: Annotated[
        float,
        Query(ge=1e-9, le=1, description="How often a stranger may be taken for this person."),
    ] = 0.001,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> RecordingsDocument:
    """The recordings with this person's voice, newest first.

    Searched are those whose jobs were `searchable`; what identifications have found is told too.
    """
    found = service.search.where(
        caller, speaker_id, limit=limit, cursor=cursor, false_accept_rate=false_accept_rate
    )
    return RecordingsDocument(
        items=[_appearance(each) for each in found.items],
        cursor=found.cursor,
        searched=found.searched,
        unsearchable=found.unsearchable,
        threshold=found.threshold,
    )


def _appearance(each: Appearance) -> AppearanceDocument:
    return AppearanceDocument(
        job_id=each.job_id,
        dialect=each.dialect,
        name=each.name,
        created_at=iso(each.created_at),
        voices=[
            HeardDocument(
                speaker=voice.speaker,
                turns=list(voice.turns),
                talk_time=voice.talk_s,
                probability=voice.probability,
                llr=voice.llr,
                cosine=voice.cosine,
                found_by=voice.found_by,
            )
            for voice in each.voices
        ],
    )


@router.get(
    "/export",
    response_class=JSONResponse,
    responses={
        200: {"content": {"application/json": {"schema": {"type": "object"}}}},
        **problems(404),
    },
    summary="Export a speaker",
)
def export_speaker(speaker_id: Id, caller: GalleriesCaller, service: TheService) -> JSONResponse:
    """All that is held of one person, as they may ask for it: also their voiceprints, as base64.

    Of samples whose audio is kept, `audio` is the path of this API where it can be fetched.
    """
    return JSONResponse(
        service.speakers.export(
            caller,
            speaker_id,
            audio=lambda owner, sample: f"/api/v1/speakers/{owner}/samples/{sample}/audio",
        ),
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{speaker_id}.json"',
        },
    )

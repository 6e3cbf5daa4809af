"""Speakers: enrolled people, from their first day to their erasure."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from starlette.requests import Request

from earmark.dialects.native._access import AdmittingRoute, GalleriesCaller, Id, TheService
from earmark.dialects.native._consents import ConsentRequest
from earmark.dialects.native._galleries import Cursor, Details, Label, Limit
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._people import ReceiptDocument, SpeakerDocument, SpeakersDocument
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import Moment, example

__all__ = ["router"]

router = APIRouter(tags=["speakers"], route_class=AdmittingRoute)


class SpeakerRequest(BaseModel):
    """A person who is to be enrolled."""

    model_config = example(
        {
            "name": "Ada Ito",
            "consent": {"subject": "Ada Ito", "text": "You may recognise me by my voice."},
        }
    )

    name: Label
    details: Details = Field(default={}, description="Whatever you want to find again with them.")
    consent: ConsentRequest | None = Field(
        default=None, description="Without one nobody is enrolled, unless the server is told to."
    )
    expires_at: Moment | None = Field(
        default=None,
        description="When they are erased; by default some time after their last match, as the"
        " server is set up.",
    )


class SpeakerChange(BaseModel):
    """What is to be changed; what is left out stays as it is."""

    model_config = example({"name": "Ada Ito-Berg"})

    name: Label | None = None
    details: Details | None = None
    expires_at: Moment | None = None


@router.post(
    "/galleries/{gallery_id}/speakers",
    status_code=201,
    responses=problems(404, 409, 413),
    summary="Add a speaker",
)
def create_speaker(
    gallery_id: Id,
    asked: SpeakerRequest,
    request: Request,
    response: Response,
    caller: GalleriesCaller,
    service: TheService,
) -> SpeakerDocument:
    """Somebody who is recognised once `POST /speakers/{speaker_id}/samples` brings their voice."""
    speaker = service.speakers.create(
        caller,
        gallery_id,
        name=asked.name,
        details=asked.details,
        consent=None if asked.consent is None else asked.consent.consent(),
        expires_at=None if asked.expires_at is None else asked.expires_at.timestamp(),
        idempotency=promise_of(request, response, asked),
    )
    return SpeakerDocument.of(speaker)


@router.get("/galleries/{gallery_id}/speakers", responses=problems(404), summary="List speakers")
def list_speakers(
    gallery_id: Id,
    caller: GalleriesCaller,
    service: TheService,
    search: Annotated[
        str | None, Query(max_length=256, description="Only those whose name contains this.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> SpeakersDocument:
    """All people of a gallery, newest first."""
    page = service.speakers.list(caller, gallery_id, limit=limit, cursor=cursor, search=search)
    return SpeakersDocument.of(page)


@router.get("/speakers/{speaker_id}", responses=problems(404), summary="Look at a speaker")
def get_speaker(speaker_id: Id, caller: GalleriesCaller, service: TheService) -> SpeakerDocument:
    """What is known of them."""
    return SpeakerDocument.of(service.speakers.get(caller, speaker_id))


@router.patch("/speakers/{speaker_id}", responses=problems(404, 413), summary="Change a speaker")
def change_speaker(
    speaker_id: Id, asked: SpeakerChange, caller: GalleriesCaller, service: TheService
) -> SpeakerDocument:
    """Rename them, or let them expire at another time; what is left out stays as it is."""
    speaker = service.speakers.update(
        caller,
        speaker_id,
        name=asked.name,
        details=asked.details,
        expires_at=None if asked.expires_at is None else asked.expires_at.timestamp(),
    )
    return SpeakerDocument.of(speaker)


@router.delete("/speakers/{speaker_id}", responses=problems(404), summary="Erase a speaker")
def erase_speaker(speaker_id: Id, caller: GalleriesCaller, service: TheService) -> ReceiptDocument:
    """Remove all that is held of them, and the key that it was encrypted with.

    The answer is a signed receipt, which stays at `GET /receipts/{receipt_id}`.
    """
    return ReceiptDocument.of(service.speakers.erase(caller, speaker_id))

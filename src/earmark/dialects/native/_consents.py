"""Records of consent: what they say in requests, and the list of a person's."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from starlette.requests import Request

from earmark.dialects.native._access import AdmittingRoute, GalleriesCaller, Id, TheService
from earmark.dialects.native._galleries import Label
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._people import ConsentDocument, ConsentsDocument, SpeakerDocument
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import Moment, example
from earmark.service import NewConsent

__all__ = ["ConsentRequest", "router"]

router = APIRouter(
    prefix="/speakers/{speaker_id}/consents", tags=["speakers"], route_class=AdmittingRoute
)


class ConsentRequest(BaseModel):
    """Who agreed to what."""

    model_config = example({"subject": "Ada Ito", "text": "You may recognise me by my voice."})

    subject: Label = Field(description="Who consented.")
    text: str = Field(
        min_length=1, max_length=10_000, description="To what: the words that were agreed to."
    )
    purpose: str = Field(default="speaker recognition", min_length=1, max_length=1024)
    method: str = Field(
        default="written",
        min_length=1,
        max_length=64,
        description="How, such as `written` or `recorded`.",
    )
    given_at: Moment | None = Field(default=None, description="When; by default now.")

    def consent(self) -> NewConsent:
        return NewConsent(
            subject=self.subject,
            text=self.text,
            purpose=self.purpose,
            method=self.method,
            given_at=None if self.given_at is None else self.given_at.timestamp(),
        )


@router.get("", responses=problems(404), summary="List a person's consents")
def list_consents(speaker_id: Id, caller: GalleriesCaller, service: TheService) -> ConsentsDocument:
    """All records, also those that were withdrawn."""
    found = service.speakers.consents(caller, speaker_id)
    return ConsentsDocument(items=[ConsentDocument.of(each) for each in found])


@router.post("", status_code=201, responses=problems(404, 409, 413), summary="Note a consent")
def add_consent(
    speaker_id: Id,
    asked: ConsentRequest,
    request: Request,
    response: Response,
    caller: GalleriesCaller,
    service: TheService,
) -> ConsentDocument:
    """Keep a record; after a withdrawal, the person is matched again."""
    promise = promise_of(request, response, asked)
    return ConsentDocument.of(
        service.speakers.add_consent(caller, speaker_id, asked.consent(), idempotency=promise)
    )


@router.post("/withdraw", responses=problems(404, 409), summary="Withdraw consent")
def withdraw_consent(
    request: Request,
    response: Response,
    speaker_id: Id,
    caller: GalleriesCaller,
    service: TheService,
) -> SpeakerDocument:
    """Nothing is matched with them from now on; to erase them is another matter. Twice is fine."""
    promise_of(request, response)
    return SpeakerDocument.of(service.speakers.withdraw(caller, speaker_id))

"""New people with their voices, in one request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field
from starlette.requests import Request

from earmark.dialects.native._access import AdmittingRoute, GalleriesCaller, Id, TheService
from earmark.dialects.native._bodies import Body, answer, described, received
from earmark.dialects.native._consents import ConsentRequest
from earmark.dialects.native._galleries import Details, Label
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._matching import Voice
from earmark.dialects.native._people import EnrolmentDocument
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import Moment, Written, example
from earmark.dialects.native._samples import VoiceForm, voice_of
from earmark.service import Caller, Enrolled, Idempotency, NewSpeaker, Service

__all__ = ["router"]

router = APIRouter(prefix="/galleries", tags=["enrolment"], route_class=AdmittingRoute)


class EnrolmentForm(VoiceForm):
    """Somebody who is to be in a gallery, and a recording of their voice."""

    name: Label
    details: Details = Field(default={}, description="Whatever you want to find again with them.")
    consent: Annotated[ConsentRequest, Written] | None = Field(
        default=None,
        description="Without one nobody is enrolled, unless the server is told to; in a form, as"
        " JSON.",
    )
    expires_at: Moment | None = Field(
        default=None, description="When they are erased; by default as the server is set up."
    )


class EnrolmentRequest(EnrolmentForm, Voice):
    """Somebody who is to be in a gallery, and a recording that is here already or a voiceprint."""

    model_config = example(
        {
            "name": "Ada Ito",
            "consent": {"subject": "Ada Ito", "text": "You may recognise me by my voice."},
            "media": "the id of a recording",
        }
    )


@router.post(
    "/{gallery_id}/enrolments",
    status_code=201,
    responses=problems(404, 409, 413, 415, 503, 507),
    openapi_extra=described(EnrolmentForm, EnrolmentRequest),
    summary="Enrol somebody new",
)
async def enrol_new(
    request: Request,
    response: Response,
    gallery_id: Id,
    caller: GalleriesCaller,
    service: TheService,
) -> EnrolmentDocument:
    """Add a speaker and learn their voice, both or neither.

    The recording comes in the form's `file`, or was uploaded before (`media`); nobody else should
    speak in it. A `voiceprint` may take its place.
    """
    async with received(
        request, service, caller, EnrolmentForm, EnrolmentRequest, at_once=True
    ) as body:
        promise = promise_of(request, response, fingerprint=body.fingerprint)
        return EnrolmentDocument.of(
            await answer(caller, body, _enrol, service, caller, gallery_id, body, promise)
        )


def _enrol(
    service: Service,
    caller: Caller,
    gallery_id: str,
    body: Body[EnrolmentForm],
    promise: Idempotency | None,
) -> Enrolled:
    asked = body.asked
    new = NewSpeaker(
        gallery_id=gallery_id,
        name=asked.name,
        details=asked.details,
        expires_at=None if asked.expires_at is None else asked.expires_at.timestamp(),
    )
    return service.enrolment.enroll_new(
        caller,
        new,
        voice_of(body),
        consent=None if asked.consent is None else asked.consent.consent(),
        start=asked.start,
        end=asked.end,
        channels=asked.chosen_channels,
        several=asked.several,
        idempotency=promise,
    )

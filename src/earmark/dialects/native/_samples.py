"""Enrolment: the recordings and voiceprints by which somebody is known."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field
from starlette.requests import Request

from earmark.dialects.native._access import AdmittingRoute, GalleriesCaller, Id, TheService
from earmark.dialects.native._bodies import Body, answer, described, received
from earmark.dialects.native._consents import ConsentRequest
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._matching import Voice
from earmark.dialects.native._people import (
    EnrolmentDocument,
    SampleDocument,
    SamplesDocument,
    VoiceprintDocument,
    VoiceprintsDocument,
)
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import PartForm, Written, example
from earmark.service import Caller, Enrolled, Idempotency, Media, Service
from earmark.voiceprints import Voiceprint

__all__ = ["VoiceForm", "router", "voice_of"]

router = APIRouter(prefix="/speakers/{speaker_id}", tags=["enrolment"], route_class=AdmittingRoute)


class VoiceForm(PartForm):
    """A recording of one person's voice."""

    several: Literal["refuse", "loudest"] = Field(
        default="refuse",
        description="A recording of several people: refuse it, or take the one who talks most.",
    )


class SampleForm(VoiceForm):
    """A recording of somebody who is in a gallery."""

    replace: bool = Field(
        default=False, description="Forget the voiceprints and samples that were there before."
    )
    consent: Annotated[ConsentRequest, Written] | None = Field(
        default=None, description="Needed unless the speaker has one; in a form, as JSON."
    )


class SampleRequest(SampleForm, Voice):
    """A recording that is here already, or a voiceprint, of somebody who is in a gallery."""

    model_config = example({"media": "the id of a recording"})


@router.post(
    "/samples",
    status_code=201,
    responses=problems(404, 409, 413, 415, 503, 507),
    openapi_extra=described(SampleForm, SampleRequest),
    summary="Enrol from a recording",
)
async def enrol(
    request: Request,
    response: Response,
    speaker_id: Id,
    caller: GalleriesCaller,
    service: TheService,
) -> EnrolmentDocument:
    """Learn a speaker's voice from a recording of theirs, or take a `voiceprint` for it.

    The recording comes in the form's `file`, or was uploaded before (`media`); nobody else should
    speak in it. Several samples of one person make it surer that they are recognised.
    """
    async with received(request, service, caller, SampleForm, SampleRequest, at_once=True) as body:
        promise = promise_of(request, response, fingerprint=body.fingerprint)
        return EnrolmentDocument.of(
            await answer(caller, body, _learn, service, caller, speaker_id, body, promise)
        )


def _learn(
    service: Service,
    caller: Caller,
    speaker_id: str,
    body: Body[SampleForm],
    promise: Idempotency | None,
) -> Enrolled:
    asked, voice = body.asked, voice_of(body)
    consent = None if asked.consent is None else asked.consent.consent()
    if isinstance(voice, Voiceprint):
        return service.enrolment.enroll_voiceprint(
            caller,
            speaker_id,
            voice,
            consent=consent,
            replace=asked.replace,
            idempotency=promise,
        )
    return service.enrolment.enroll(
        caller,
        speaker_id,
        voice,
        consent=consent,
        start=asked.start,
        end=asked.end,
        channels=asked.chosen_channels,
        several=asked.several,
        replace=asked.replace,
        idempotency=promise,
    )


def voice_of(body: Body[VoiceForm]) -> Media | Voiceprint:
    """The recording that the request brought, or the voiceprint in its place."""
    if body.media is not None:
        return body.media
    assert isinstance(body.asked, Voice)
    assert body.asked.voiceprint is not None
    return Voiceprint.from_base64(body.asked.voiceprint)


@router.get("/samples", responses=problems(404), summary="List a person's samples")
def list_samples(speaker_id: Id, caller: GalleriesCaller, service: TheService) -> SamplesDocument:
    """The recordings that they were enrolled from."""
    found = service.speakers.samples(caller, speaker_id)
    return SamplesDocument(items=[SampleDocument.of(each) for each in found])


@router.get(
    "/samples/{sample_id}/audio",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string"}}}},
        **problems(404, 410),
    },
    summary="Fetch a sample's audio",
)
def get_sample_audio(
    speaker_id: Id, sample_id: Id, caller: GalleriesCaller, service: TheService
) -> Response:
    """The recording as it came, where the server keeps it (`kept`)."""
    audio = service.speakers.sample_audio(caller, sample_id, speaker_id=speaker_id)
    headers = {"Cache-Control": "no-store", "Content-Disposition": "attachment"}
    return Response(audio, media_type="application/octet-stream", headers=headers)


@router.delete(
    "/samples/{sample_id}", status_code=204, responses=problems(404), summary="Delete a sample"
)
def delete_sample(
    speaker_id: Id, sample_id: Id, caller: GalleriesCaller, service: TheService
) -> None:
    """Remove a recording with the voiceprint that was made from it."""
    service.speakers.delete_sample(caller, sample_id, speaker_id=speaker_id)


@router.get("/voiceprints", responses=problems(404, 410), summary="List a person's voiceprints")
def list_voiceprints(
    speaker_id: Id,
    caller: GalleriesCaller,
    service: TheService,
    portable: Annotated[
        bool, Query(description="Give the voiceprints themselves too; that is noted in the audit.")
    ] = False,
) -> VoiceprintsDocument:
    """What is known of each; the voiceprints themselves only where they are asked for."""
    if not portable:
        stored = service.speakers.voiceprints(caller, speaker_id)
        return VoiceprintsDocument(items=[VoiceprintDocument.of(each) for each in stored])
    opened = service.speakers.open_voiceprints(caller, speaker_id)
    return VoiceprintsDocument(
        items=[
            VoiceprintDocument.of(each).model_copy(update={"voiceprint": voiceprint.to_base64()})
            for each, voiceprint in opened
        ]
    )


@router.delete(
    "/voiceprints/{voiceprint_id}",
    status_code=204,
    responses=problems(404),
    summary="Delete a voiceprint",
)
def delete_voiceprint(
    speaker_id: Id, voiceprint_id: Id, caller: GalleriesCaller, service: TheService
) -> None:
    """Remove one; the person is recognised by the others."""
    service.speakers.delete_voiceprint(caller, voiceprint_id, speaker_id=speaker_id)

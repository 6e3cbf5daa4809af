"""Enrolling speakers, looking at them, and deleting them."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from earmark.dialects.deepaffects._access import Asking
from earmark.dialects.deepaffects._calls import SYNC_S
from earmark.dialects.deepaffects._people import People
from earmark.dialects.deepaffects._recordings import at_hand, receive, receive_order, with_recording
from earmark.dialects.deepaffects._render import Enrollment
from earmark.dialects.deepaffects._requests import EnrollRequest, read_speaker_id
from earmark.errors import ConsentRequired, InvalidInput, SpeechError, TooLittleSpeech
from earmark.service import Caller, Media, Service, standing_consent

__all__ = ["enrolment_routes"]

SpeakerId = Annotated[str | None, Query(alias="speakerId")]
Everybody = Annotated[str, Query(alias="getAllSpeakers")]

LEAST_S: Final = 6.0
"""Seconds of speech that each sample must have."""


def enrolment_routes(service: Service, version: str) -> APIRouter:
    """The routes below ``/v1`` or ``/v2``; the first version's answers say less."""
    router = APIRouter(prefix=f"/{version}/sync/diarization")

    @router.post("/enroll")
    async def enroll(request: Request, caller: Asking) -> dict[str, Any]:
        """Add a sample to somebody's enrolment."""
        asked, media = await receive(request, service, caller, EnrollRequest, at_once=True)
        enrollment = await with_recording(
            service, caller, media, partial(_enroll, service, caller, asked, media)
        )
        if version == "v1":
            return {"message": "Complete" if enrollment.complete else "Success"}
        return {"message": "Success", **enrollment.document()}

    @router.get("/enroll")
    def status(caller: Asking, speaker_id: SpeakerId = None) -> dict[str, Any]:
        """How far somebody is enrolled."""
        _, enrollment = People(service, caller).get(read_speaker_id(speaker_id))
        return enrollment.document()

    @router.get("/get_enrolled_speakers")
    def enrolled(caller: Asking, everybody: Everybody = "False") -> dict[str, Any]:
        """Who can be identified, or everybody."""
        return {
            "developer_id": service.tenants.get(caller.tenant_id).name,
            "enrolled_speaker_ids": [
                each.document()
                for each in People(service, caller).all()
                if everybody.lower() == "true" or each.complete
            ],
        }

    @router.post("/delete")
    async def delete(request: Request, caller: Asking) -> dict[str, str]:
        """Erase somebody."""
        asked = await receive_order(request)
        erased = await run_in_threadpool(People(service, caller).erase, asked.speaker_id)
        return {"message": "Success" if erased else "Failure"}

    return router


def _enroll(
    service: Service, caller: Caller, asked: EnrollRequest, media: Media | None
) -> Enrollment:
    people = People(service, caller)
    with at_hand(service, caller, asked, media) as recording:
        try:
            enrolled = service.enrolment.enroll_keyed(
                caller,
                people.new(asked.speaker_id),
                recording,
                consent=standing_consent(service.settings, asked.speaker_id),
                needed_s=LEAST_S,
                limit_s=SYNC_S,
            )
        except TooLittleSpeech as error:  # the vendor's words, as they are spelt
            raise InvalidInput(
                f"Error in enroll: Insufficent speech content in audio: {error}"
            ) from error
        except ConsentRequired as error:
            raise ConsentRequired(
                f"Error in enroll: {error} No request to this API can carry one: its operator may"
                " declare a standing consent (EARMARK_STANDING_CONSENT)."
            ) from error
        except SpeechError as error:
            raise InvalidInput(f"Error in enroll: {error}") from error
    enrollment = people.enrollment(enrolled.speaker)
    assert enrollment is not None
    return enrollment

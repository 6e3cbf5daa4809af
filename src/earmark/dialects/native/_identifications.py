"""Jobs that tell who speaks: identifications, and voiceprints for those who keep them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Self

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.requests import Request

from earmark.dialects.native._access import AdmittingRoute, JobsCaller, TheService
from earmark.dialects.native._bodies import described
from earmark.dialects.native._documents import JobDocument
from earmark.dialects.native._matching import Ids, MatchingForm, PortableVoiceprint
from earmark.dialects.native._requests import (
    EXAMPLE_URL,
    DiarizationForm,
    PeopleForm,
    Source,
    Written,
    example,
)
from earmark.dialects.native._submit import ANSWERS, Submitter
from earmark.service import IdentifyOptions, JobKind, JobOptions
from earmark.settings import Settings
from earmark.voiceprints import Voiceprint, require_model

__all__ = ["MAX_VOICEPRINTS", "router"]

router = APIRouter(tags=["jobs"], route_class=AdmittingRoute)

MAX_VOICEPRINTS = 50
"""How many voiceprints one request may bring."""


class LabelledVoiceprint(BaseModel):
    """A voiceprint that the client keeps, and what it calls the person."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[str, Field(min_length=1, max_length=256)]
    voiceprint: PortableVoiceprint


class IdentificationForm(MatchingForm, DiarizationForm):
    """Who spoke when, by name?"""

    gallery_ids: Ids = Field(default=[], description="The galleries to compare with.")
    speaker_ids: Ids = Field(default=[], description="Only these people of the galleries.")
    voiceprints: Annotated[list[LabelledVoiceprint], Field(max_length=MAX_VOICEPRINTS), Written] = (
        Field(default=[], description="Voiceprints to compare with; in a form, as JSON.")
    )
    one_to_one: bool = Field(
        default=True, description="Nobody is recognised in two speakers of the recording."
    )

    @model_validator(mode="after")
    def _has_candidates(self) -> Self:
        if bool(self.gallery_ids) == bool(self.voiceprints):
            raise ValueError("say whom to compare with, by either 'gallery_ids' or 'voiceprints'")
        if self.speaker_ids and not self.gallery_ids:
            raise ValueError("'speaker_ids' are people of the galleries that 'gallery_ids' names")
        return self

    def options(self, settings: Settings) -> JobOptions:
        return replace(
            super().options(settings),
            identify=IdentifyOptions(
                galleries=tuple(self.gallery_ids),
                speakers=tuple(self.speaker_ids),
                exclusive=self.one_to_one,
                false_accept_rate=self.false_accept_rate,
                confidence=self.min_probability,
                alternatives=self.alternatives,
            ),
        )

    def sealed(self) -> bytes | None:
        if not self.voiceprints:
            return None
        for each in self.voiceprints:
            require_model(Voiceprint.from_base64(each.voiceprint))
        sent = [each.model_dump() for each in self.voiceprints]
        return json.dumps({"voiceprints": sent}).encode()


class IdentificationRequest(IdentificationForm, Source):
    """Who spoke when, by name, in a recording that is elsewhere, or here already?"""

    model_config = example(
        {"url": EXAMPLE_URL, "gallery_ids": ["0b6f2c1e-4f0a-4c39-9c0e-6a6d2f3c9d11"]}
    )


class VoiceprintsForm(PeopleForm):
    """What do those who speak sound like?"""


class VoiceprintsRequest(VoiceprintsForm, Source):
    """What do those sound like who speak in a recording that is elsewhere, or here already?"""

    model_config = example({"url": EXAMPLE_URL})


@router.post(
    "/identifications",
    status_code=202,
    responses=ANSWERS,
    openapi_extra=described(IdentificationForm, IdentificationRequest),
    summary="Ask who spoke when, by name",
)
async def submit_identification(
    request: Request, response: Response, caller: JobsCaller, service: TheService
) -> JobDocument:
    """A diarization whose speakers are compared with galleries, or with voiceprints sent along.

    Name `gallery_ids`, and `speaker_ids` if it can only be some of their people; or send
    `voiceprints` with labels of your own. Who is none of them stays unknown.
    """
    submitter = Submitter(service, caller, request, JobKind.IDENTIFY)
    return await submitter.submit(response, IdentificationForm, IdentificationRequest)


@router.post(
    "/voiceprints",
    status_code=202,
    responses=ANSWERS,
    openapi_extra=described(VoiceprintsForm, VoiceprintsRequest),
    summary="Ask for voiceprints",
)
async def submit_voiceprints(
    request: Request, response: Response, caller: JobsCaller, service: TheService
) -> JobDocument:
    """The voiceprints of all who speak in a recording, for you to keep: nobody is enrolled."""
    submitter = Submitter(service, caller, request, JobKind.VOICEPRINT)
    return await submitter.submit(response, VoiceprintsForm, VoiceprintsRequest)

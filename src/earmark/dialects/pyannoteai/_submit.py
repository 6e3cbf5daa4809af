"""Submitting jobs."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from earmark.dialects._http import JsonRoute, idempotency_of
from earmark.dialects.pyannoteai._access import caller_of
from earmark.dialects.pyannoteai._names import NAME
from earmark.dialects.pyannoteai._render import job_created
from earmark.dialects.pyannoteai._requests import (
    MEDIA,
    DiarizeRequest,
    IdentifyRequest,
    JobRequest,
    VoiceprintRequest,
    blaming,
    media_key,
)
from earmark.errors import InvalidInput
from earmark.service import AddressRules, Caller, JobKind, Media, Service, Submission

__all__ = ["submissions"]

Asking = Annotated[Caller, Depends(caller_of)]


def submissions(service: Service) -> APIRouter:
    """The endpoints under ``/v1`` that make a job."""
    router = APIRouter(tags=["Jobs"], route_class=JsonRoute)
    settings, rules = service.settings, AddressRules.of(service.settings)

    def submit(
        request: Request, caller: Caller, asked: JobRequest, kind: JobKind
    ) -> dict[str, Any]:
        media, url, options = None, None, asked.options()
        with blaming("url"):
            if asked.url.startswith(MEDIA):
                media = service.media.by_key(caller, NAME, media_key(asked.url))
                _refuse_too_large(media, options.limit_bytes)
            else:
                rules.check_url(asked.url)
                url = asked.url
        if asked.webhook is not None:
            with blaming("webhook"):
                rules.check_url(asked.webhook)
        body = hashlib.sha256(asked.model_dump_json(exclude_none=True).encode()).hexdigest()
        with blaming("Idempotency-Key"):
            promise = idempotency_of(request, kind, body)
        submission = Submission(
            dialect=NAME,
            kind=kind,
            options=options,
            media=media,
            url=url,
            sealed=asked.sealed(),
            webhook=asked.webhook,
            retention_s=settings.pyannoteai_output_retention_s,
            render=asked.render(),
        )
        return job_created(service.jobs.submit(caller, submission, idempotency=promise).job)

    @router.post("/diarize")
    def diarize(request: Request, caller: Asking, asked: DiarizeRequest) -> dict[str, Any]:
        """Submit a diarization."""
        return submit(request, caller, asked, JobKind.DIARIZE)

    @router.post("/voiceprint")
    def voiceprint(request: Request, caller: Asking, asked: VoiceprintRequest) -> dict[str, Any]:
        """Have a voiceprint made of the person who speaks most."""
        return submit(request, caller, asked, JobKind.VOICEPRINT)

    @router.post("/identify")
    def identify(request: Request, caller: Asking, asked: IdentifyRequest) -> dict[str, Any]:
        """Submit a diarization whose speakers are named by the voiceprints that are sent along."""
        return submit(request, caller, asked, JobKind.IDENTIFY)

    return router


def _refuse_too_large(media: Media, limit: int | None) -> None:
    if limit is not None and media.size > limit:
        raise InvalidInput(
            f"The recording has {media.size} bytes, and {limit} are accepted for a voiceprint:"
            " send 30 s of speech."
        )

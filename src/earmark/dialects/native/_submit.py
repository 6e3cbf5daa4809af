"""New jobs: a recording in a form, or the name of one in JSON."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from earmark.dialects._http import MAX_JSON_BYTES, absolute_url, idempotency_of
from earmark.dialects.native._access import AdmittingRoute, JobsCaller, TheService
from earmark.dialects.native._bodies import Body, described, received
from earmark.dialects.native._documents import JobDocument, job_document
from earmark.dialects.native._idempotency import mark_replayed
from earmark.dialects.native._names import NAME, PREFIX
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import (
    DiarizationForm,
    DiarizationRequest,
    JobForm,
    Source,
    VoiceActivityForm,
    VoiceActivityRequest,
)
from earmark.service import (
    Caller,
    Idempotency,
    IdentifyOptions,
    JobKind,
    Service,
    Submission,
    Submitted,
)

__all__ = ["ANSWERS", "Submitter", "router"]

router = APIRouter(tags=["jobs"], route_class=AdmittingRoute)

ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}}},
    **problems(404, 409, 413, 415, 503, 507),
}
"""What every route answers that makes a job."""


@router.post(
    "/diarizations",
    status_code=202,
    responses=ANSWERS,
    openapi_extra=described(DiarizationForm, DiarizationRequest),
    summary="Ask who spoke when",
)
async def submit_diarization(
    request: Request, response: Response, caller: JobsCaller, service: TheService
) -> JobDocument:
    """Make a job from a recording in the form's `file`, at a `url`, or uploaded before (`media`).

    The job is kept from the moment this answers, whatever happens to the server.
    """
    submitter = Submitter(service, caller, request, JobKind.DIARIZE)
    return await submitter.submit(response, DiarizationForm, DiarizationRequest)


@router.post(
    "/voice-activities",
    status_code=202,
    responses=ANSWERS,
    openapi_extra=described(VoiceActivityForm, VoiceActivityRequest),
    summary="Ask where speech is",
)
async def submit_voice_activity(
    request: Request, response: Response, caller: JobsCaller, service: TheService
) -> JobDocument:
    """As for a diarization, but the answer holds when anyone speaks, not who."""
    submitter = Submitter(service, caller, request, JobKind.VOICE_ACTIVITY)
    return await submitter.submit(response, VoiceActivityForm, VoiceActivityRequest)


class Submitter:
    """One request for a job."""

    def __init__(self, service: Service, caller: Caller, request: Request, kind: JobKind) -> None:
        self._service = service
        self._caller = caller
        self._request = request
        self._kind = kind

    async def submit(
        self, response: Response, form: type[JobForm], remote: type[JobForm]
    ) -> JobDocument:
        """Read the body, note the job, and describe it. ``remote`` is a `Source` too."""
        async with received(
            self._request,
            self._service,
            self._caller,
            form,
            remote,
            at_once=False,
            field_bytes=MAX_JSON_BYTES,
        ) as body:
            submitted = await run_in_threadpool(self._note, body)
        if submitted.replayed:
            mark_replayed(response)
        base = absolute_url(self._request, PREFIX, self._service.settings)
        document = job_document(submitted.job, base)
        response.headers["Location"] = document.links.self
        return document

    def _note(self, body: Body[JobForm]) -> Submitted:
        asked, options = body.asked, body.asked.options(self._service.settings)
        if options.identify is not None:
            self._look_up(options.identify)
        return self._service.jobs.submit(
            self._caller,
            Submission(
                dialect=NAME,
                kind=self._kind,
                options=options,
                media=body.media,
                url=asked.url if isinstance(asked, Source) else None,
                sealed=asked.sealed(),
                name=asked.name,
                webhook=asked.webhook,
                priority=asked.rank(),
                render=asked.render(),
            ),
            idempotency=self._idempotency(body.fingerprint),
        )

    def _look_up(self, options: IdentifyOptions) -> None:
        """Raise `NotFound` now for a gallery or a speaker that the job would not find."""
        for gallery in options.galleries:
            self._service.galleries.get(self._caller, gallery)
        for speaker in options.speakers:
            self._service.speakers.get(self._caller, speaker)

    def _idempotency(self, fingerprint: str) -> Idempotency | None:
        return idempotency_of(self._request, f"POST {self._kind.value}", fingerprint)

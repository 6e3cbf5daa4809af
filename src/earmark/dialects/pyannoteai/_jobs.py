"""Submitting jobs and looking at them."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse

from earmark.dialects._http import JsonRoute, idempotency_of
from earmark.dialects.pyannoteai._access import caller_of
from earmark.dialects.pyannoteai._errors import problem
from earmark.dialects.pyannoteai._names import NAME
from earmark.dialects.pyannoteai._render import STATES, job_created, job_details, job_rows
from earmark.dialects.pyannoteai._requests import MEDIA, DiarizeRequest, blaming, media_key
from earmark.service import AddressRules, Caller, Job, JobKind, Page, Service, Submission

__all__ = ["first_version", "second_version"]

Asking = Annotated[Caller, Depends(caller_of)]
Status = Literal["pending", "created", "running", "succeeded", "failed", "canceled"]
Count = Annotated[int, Query(ge=1, le=100)]
Skip = Annotated[int, Query(ge=0, le=2**31 - 1)]


def first_version(service: Service) -> APIRouter:
    """What lies under ``/v1``."""
    router, settings = APIRouter(tags=["Jobs"], route_class=JsonRoute), service.settings
    rules = AddressRules.of(settings)

    @router.get("/test")
    def test() -> dict[str, str]:
        """Whether the key is good."""
        return {"status": "OK", "message": "Test connection successful"}

    @router.post("/diarize")
    def diarize(request: Request, caller: Asking, asked: DiarizeRequest) -> dict[str, Any]:
        """Submit a diarization."""
        media = url = None
        with blaming("url"):
            if asked.url.startswith(MEDIA):
                media = service.media.by_key(caller, NAME, media_key(asked.url))
            else:
                rules.check_url(asked.url)
                url = asked.url
        if asked.webhook is not None:
            with blaming("webhook"):
                rules.check_url(asked.webhook)
        body = hashlib.sha256(asked.model_dump_json(exclude_none=True).encode()).hexdigest()
        with blaming("Idempotency-Key"):
            promise = idempotency_of(request, "diarize", body)
        submission = Submission(
            dialect=NAME,
            kind=JobKind.DIARIZE,
            options=asked.options(),
            media=media,
            url=url,
            webhook=asked.webhook,
            retention_s=settings.pyannoteai_output_retention_s,
            render={
                "model": asked.model or "precision-2",
                "turnLevelConfidence": bool(asked.turn_level_confidence),
                "exclusive": bool(asked.exclusive),
                "confidence": bool(asked.confidence),
                "webhookStatusOnly": bool(asked.webhook_status_only),
            },
        )
        return job_created(service.jobs.submit(caller, submission, idempotency=promise).job)

    @router.post("/voiceprint", status_code=501)
    @router.post("/identify", status_code=501)
    def not_offered(request: Request) -> JSONResponse:
        """Voiceprints and identification, which this server does not offer yet."""
        return problem(
            request, 501, "This server does not offer voiceprints and identification yet."
        )

    @router.get("/jobs")
    def list_jobs(
        caller: Asking, take: Count = 10, skip: Skip = 0, status: Status | None = None
    ) -> dict[str, Any]:
        """The team's jobs, newest first."""
        page = _listing(service, caller, status, limit=take, offset=skip)
        return {"items": job_rows(page), "total": page.total}

    @router.get("/jobs/{job_id}")
    def get_job(caller: Asking, job_id: str) -> JSONResponse:
        """One job, with its output when there is one."""
        job = service.jobs.get(caller, job_id, dialect=NAME)
        return JSONResponse(job_details(job, lambda: service.jobs.document(job)))

    return router


def second_version(service: Service) -> APIRouter:
    """What lies under ``/v2``."""
    router = APIRouter(tags=["Jobs"])

    @router.get("/jobs")
    def list_jobs(
        caller: Asking, limit: Count = 10, cursor: str | None = None, status: Status | None = None
    ) -> dict[str, Any]:
        """The team's jobs, newest first; ``nextCursor`` leads to the next page."""
        with blaming("cursor"):
            page = _listing(service, caller, status, limit=limit, cursor=cursor)
        return {"items": job_rows(page), "nextCursor": page.cursor}

    return router


def _listing(
    service: Service,
    caller: Caller,
    status: Status | None,
    *,
    limit: int,
    cursor: str | None = None,
    offset: int = 0,
) -> Page[Job]:
    return service.jobs.list(
        caller,
        states=None if status is None else STATES[status],
        dialect=NAME,
        limit=limit,
        cursor=cursor,
        offset=offset,
    )

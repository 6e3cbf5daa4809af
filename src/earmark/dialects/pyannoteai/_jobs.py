"""Looking at jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse

from earmark.dialects.pyannoteai._access import caller_of
from earmark.dialects.pyannoteai._names import NAME
from earmark.dialects.pyannoteai._render import STATES, job_details, job_rows
from earmark.dialects.pyannoteai._requests import blaming
from earmark.service import Caller, Job, Page, Service

__all__ = ["first_version", "second_version"]

Asking = Annotated[Caller, Depends(caller_of)]
Status = Literal["pending", "created", "running", "succeeded", "failed", "canceled"]
Count = Annotated[int, Query(ge=1, le=100)]
Skip = Annotated[int, Query(ge=0, le=2**31 - 1)]


def first_version(service: Service) -> APIRouter:
    """What lies under ``/v1``."""
    router = APIRouter(tags=["Jobs"])

    @router.get("/test")
    def test() -> dict[str, str]:
        """Whether the key is good."""
        return {"status": "OK", "message": "Test connection successful"}

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

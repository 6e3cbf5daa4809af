"""Jobs: the list, one of them, cancel, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from starlette.requests import Request

from earmark.dialects._http import absolute_url
from earmark.dialects.native._access import AdmittingRoute, Id, JobsCaller, TheService
from earmark.dialects.native._documents import (
    JobDocument,
    JobsDocument,
    KindName,
    State,
    job_document,
)
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._names import PREFIX
from earmark.dialects.native._problems import problems
from earmark.service import JobKind, JobState

__all__ = ["router"]

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=AdmittingRoute)


@router.get("", summary="List jobs")
def list_jobs(
    request: Request,
    caller: JobsCaller,
    service: TheService,
    state: Annotated[list[State] | None, Query(description="Only in these states.")] = None,
    kind: Annotated[list[KindName] | None, Query(description="Only of these kinds.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at once.")] = 50,
    cursor: Annotated[str | None, Query(max_length=64, description="From the part before.")] = None,
) -> JobsDocument:
    """All jobs of the key's tenant, newest first, whatever API they came through."""
    page = service.jobs.list(
        caller,
        states=None if state is None else [JobState(each) for each in state],
        kinds=None if kind is None else [JobKind(each) for each in kind],
        limit=limit,
        cursor=cursor,
    )
    base = absolute_url(request, PREFIX, service.settings)
    return JobsDocument(
        items=[job_document(job, base) for job in page.items],
        cursor=page.cursor,
        total=page.total,
    )


@router.get("/{job_id}", responses=problems(404), summary="Look at a job")
def get_job(request: Request, job_id: Id, caller: JobsCaller, service: TheService) -> JobDocument:
    """The job as it stands."""
    base = absolute_url(request, PREFIX, service.settings)
    return job_document(service.jobs.get(caller, job_id), base)


@router.post("/{job_id}/cancel", responses=problems(404, 409), summary="Cancel a job")
def cancel_job(
    request: Request, response: Response, job_id: Id, caller: JobsCaller, service: TheService
) -> JobDocument:
    """Stop a job that waits or runs; one that was canceled before stays so."""
    job = service.jobs.cancel(caller, job_id, idempotency=promise_of(request, response))
    return job_document(job, absolute_url(request, PREFIX, service.settings))


@router.delete("/{job_id}", status_code=204, responses=problems(404), summary="Delete a job")
def delete_job(job_id: Id, caller: JobsCaller, service: TheService) -> None:
    """Remove a job with its result and the recording that came with it; stop it if it runs."""
    service.jobs.delete(caller, job_id)

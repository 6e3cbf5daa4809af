"""Tasks, the same for every technology: that one was taken, and how it stands."""

from __future__ import annotations

from uuid import UUID

from fastapi import Depends, FastAPI
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from earmark.dialects.phonexia._access import Admission
from earmark.dialects.phonexia._names import NAME, PREFIX
from earmark.dialects.phonexia._render import state_of, task_body
from earmark.dialects.phonexia._technologies import Technology
from earmark.service import Job, JobState, Service

__all__ = ["accepted", "add_task_route"]


def accepted(job: Job, technology: Technology) -> Response:
    """The answer to who has started a task."""
    location = f"{PREFIX}{technology.path}/{job.id}"
    return JSONResponse(
        {"task": {"task_id": job.id, "state": state_of(job)}},
        status_code=202,
        headers={"X-Location": location, "Location": location},
    )


def add_task_route(app: FastAPI, service: Service, technology: Technology) -> None:
    """Let ``app`` answer ``GET /<technology>/{task_id}``."""

    @app.get(
        technology.path + "/{task_id}", dependencies=[Depends(Admission(service, technology.path))]
    )
    def look(request: Request, task_id: UUID) -> Response:
        job = service.jobs.get(
            request.state.caller, str(task_id), dialect=NAME, kind=technology.kind
        )
        result = None
        if job.state is JobState.SUCCEEDED:
            result = technology.render(service.jobs.document(job))
        # A comparison has a million numbers: a few times as fast as the standard library.
        return Response(to_json(task_body(job, result)), media_type="application/json")

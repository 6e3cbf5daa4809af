"""Starting a task and asking how it stands, the same for every technology."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, FastAPI, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from earmark.dialects._http import announced_bytes, idempotency_of
from earmark.dialects._multipart import Form, receive_form
from earmark.dialects.phonexia._access import Admission
from earmark.dialects.phonexia._names import NAME, PREFIX
from earmark.dialects.phonexia._render import state_of, task_body
from earmark.dialects.phonexia._requests import Selection, bad_idempotency_key, missing_file
from earmark.dialects.phonexia._technologies import Technology
from earmark.errors import InvalidInput, MediaTooLarge
from earmark.service import Idempotency, JobState, Service, Submission

__all__ = ["add_task_routes"]

_MAX_FIELD_BYTES: Final = 32 << 10


def add_task_routes(app: FastAPI, service: Service, technology: Technology) -> None:
    """Let ``app`` answer ``POST /<technology>`` and ``GET /<technology>/{task_id}``."""
    admitted = Depends(Admission(service, technology.path))

    @app.post(technology.path, dependencies=[admitted])
    async def start(request: Request, selection: Annotated[Selection, Query()]) -> Response:
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise missing_file()
        _refuse_too_large(request, service.settings.max_upload_bytes)
        caller, options = request.state.caller, selection.options()
        form = await receive_form(
            request,
            file_field="file",
            open_file=lambda name: service.media.writer(
                caller,
                dialect=NAME,
                name=name,
                owned=True,
                announced=announced_bytes(request, form=True),
            ),
            text_fields=("config",),
            max_field_bytes=_MAX_FIELD_BYTES,
            max_file_bytes=service.settings.max_upload_bytes,
            check=lambda fields: technology.configure(options, fields),
        )
        if form.media is None:
            raise missing_file()
        submission = Submission(
            dialect=NAME,
            kind=technology.kind,
            options=technology.configure(options, form.fields),
            media=form.media,
            retention_s=service.settings.phonexia_retention_s,
        )
        submitted = await run_in_threadpool(
            service.jobs.submit, caller, submission, idempotency=_idempotency(request, form)
        )
        job = submitted.job
        location = f"{PREFIX}{technology.path}/{job.id}"
        return JSONResponse(
            {"task": {"task_id": job.id, "state": state_of(job)}},
            status_code=202,
            headers={"X-Location": location, "Location": location},
        )

    @app.get(technology.path + "/{task_id}", dependencies=[admitted])
    def look(request: Request, task_id: UUID) -> Response:
        job = service.jobs.get(
            request.state.caller, str(task_id), dialect=NAME, kind=technology.kind
        )
        result = None
        if job.state is JobState.SUCCEEDED:
            result = technology.render(service.jobs.document(job))
        return JSONResponse(task_body(job, result))


def _refuse_too_large(request: Request, limit: int) -> None:
    """Raise `MediaTooLarge` before anything is read, when the form cannot but be too long."""
    announced = announced_bytes(request, form=True) or 0
    if announced > limit:
        raise MediaTooLarge(
            f"The recording has {announced} bytes or more; {limit} are accepted.",
            size=announced_bytes(request) or announced,  # the file, and a little around it
            limit=limit,
        )


def _idempotency(request: Request, form: Form) -> Idempotency | None:
    query = "&".join(sorted(request.url.query.split("&")))
    route = f"POST {request.url.path}?{query}"
    try:
        return idempotency_of(request, route, form.fingerprint)
    except InvalidInput as error:
        raise bad_idempotency_key(str(error)) from error

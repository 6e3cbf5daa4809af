"""Starting a task with a recording, the same for every technology that takes one."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from earmark.dialects._http import announced_bytes
from earmark.dialects._multipart import receive_recording
from earmark.dialects.phonexia._access import Admission
from earmark.dialects.phonexia._names import NAME
from earmark.dialects.phonexia._requests import Selection, missing_file, promise_of
from earmark.dialects.phonexia._tasks import accepted
from earmark.dialects.phonexia._technologies import RecordingTechnology
from earmark.errors import MediaTooLarge
from earmark.service import Service, Submission, Submitted

__all__ = ["add_recording_route"]

_MAX_FIELD_BYTES: Final = 32 << 10


def add_recording_route(app: FastAPI, service: Service, technology: RecordingTechnology) -> None:
    """Let ``app`` answer ``POST /<technology>``."""

    @app.post(technology.path, dependencies=[Depends(Admission(service, technology.path))])
    async def start(request: Request, selection: Annotated[Selection, Query()]) -> Response:
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise missing_file()
        _refuse_too_large(request, service.settings.max_upload_bytes)
        caller = request.state.caller
        options = technology.limit(selection.options(), request.query_params)
        form = await receive_recording(
            request,
            service,
            caller,
            dialect=NAME,
            text_fields=("config",),
            max_field_bytes=_MAX_FIELD_BYTES,
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
        promise = promise_of(request, lambda: form.fingerprint)

        def submit() -> Submitted:
            with service.media.for_request(submission.media):
                return service.jobs.submit(caller, submission, idempotency=promise)

        submitted = await run_in_threadpool(submit)
        return accepted(submitted.job, technology)


def _refuse_too_large(request: Request, limit: int) -> None:
    """Raise `MediaTooLarge` before anything is read, when the form cannot but be too long."""
    announced = announced_bytes(request, form=True) or 0
    if announced > limit:
        raise MediaTooLarge(
            f"The recording has {announced} bytes or more; {limit} are accepted.",
            size=announced_bytes(request) or announced,  # the file, and a little around it
            limit=limit,
        )

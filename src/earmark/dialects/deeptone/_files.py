"""``/file-processing/jobs``: files as jobs, sent along or fetched from an address."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, StrictStr, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from earmark.dialects._http import JsonRoute, announced_bytes, idempotency_of
from earmark.dialects._multipart import receive_body
from earmark.dialects.deeptone._access import admit, caller_of
from earmark.dialects.deeptone._names import FILES, NAME
from earmark.dialects.deeptone._requests import FileAsked
from earmark.dialects.deeptone._results import job_document, job_results
from earmark.errors import InvalidInput
from earmark.service import AddressRules, Caller, Job, JobKind, Media, Scope, Service, Submission

__all__ = ["file_routes"]

_SOUND: Final = ("audio/", "video/", "application/octet-stream")
_JSON: Final = "application/json"


class _Elsewhere(BaseModel):
    """Where the file is; what else the body holds is ignored."""

    model_config = ConfigDict(extra="ignore")

    url: StrictStr


def file_routes(service: Service) -> APIRouter:
    """The routes below ``/file-processing``."""

    def admitted(request: Request) -> None:
        admit(service, request, Scope.JOBS)

    router = APIRouter(route_class=JsonRoute, dependencies=[Depends(admitted)])

    @router.post("/jobs", status_code=201)
    async def submit(request: Request, response: Response) -> dict[str, Any]:
        """Take a file: its bytes, or JSON with its address."""
        caller, asked = caller_of(request), FileAsked.read(request.query_params)
        kind = request.headers.get("content-type", _SOUND[-1]).lower()
        if kind.partition(";")[0].strip() == _JSON:
            submission = _submission(service, asked, url=await _address(request))
        elif kind.startswith(_SOUND):
            submission = _submission(service, asked, media=await _receive(request, service, caller))
        else:
            raise InvalidInput(
                "A file is sent as its bytes, with a Content-Type such as audio/wav, or its address"
                f' as {_JSON}: {{"url": "https://…"}}. This is {kind[:100]!r}.'
            )
        job = await run_in_threadpool(_submit, service, request, caller, submission)
        response.headers["Location"] = f"{FILES}/jobs/{job.id}"
        return job_document(job)

    @router.get("/jobs/{job_id}")
    def look(request: Request, job_id: str) -> dict[str, Any]:
        """How a job stands."""
        return job_document(_job(service, request, job_id))

    @router.get("/jobs/{job_id}/results")
    def results(request: Request, job_id: str) -> Response:
        """What a job that is done has come to."""
        job = _job(service, request, job_id)
        job_document(job)  # one that has expired is unknown
        return JSONResponse(job_results(job, service.jobs.document(job)))

    return router


def _submission(
    service: Service, asked: FileAsked, *, media: Media | None = None, url: str | None = None
) -> Submission:
    return Submission(
        dialect=NAME,
        kind=JobKind.TRAITS,
        options=asked.options,
        media=media,
        url=url,
        retention_s=service.settings.deeptone_retention_s,
        render=asked.document(),
    )


def _submit(service: Service, request: Request, caller: Caller, submission: Submission) -> Job:
    sent = submission.url if submission.media is None else submission.media.sha256
    body = hashlib.sha256(f"{sorted(request.query_params.multi_items())}\n{sent}".encode())
    with service.media.for_request(submission.media):
        promise = idempotency_of(request, f"POST {FILES}/jobs", body.hexdigest())
        if submission.url is not None:
            AddressRules.of(service.settings).check_url(submission.url)
        return service.jobs.submit(caller, submission, idempotency=promise).job


async def _receive(request: Request, service: Service, caller: Caller) -> Media:
    writer = await run_in_threadpool(
        service.media.writer,
        caller,
        dialect=NAME,
        owned=True,
        announced=announced_bytes(request),
    )
    return await receive_body(request, writer)


async def _address(request: Request) -> str:
    try:
        return _Elsewhere.model_validate_json(await request.body()).url
    except ValidationError as error:
        wrong = error.errors()[0]
        raise InvalidInput(
            f'The body is no JSON of the form {{"url": "https://…"}}: {wrong["msg"]}.'
        ) from error


def _job(service: Service, request: Request, job_id: str) -> Job:
    return service.jobs.get(caller_of(request), job_id, dialect=NAME)

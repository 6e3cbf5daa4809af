"""Results of jobs, in the format that is wanted."""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Response
from starlette.requests import Request

from earmark.dialects.native._access import AdmittingRoute, Id, JobsCaller, TheService
from earmark.dialects.native._formats import FORMATS_OF, ResultFormat, choose_format
from earmark.dialects.native._problems import problem, problems
from earmark.service import Caller, Identification, Job, JobKind, Service

__all__ = ["router"]

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=AdmittingRoute)

_CONTENT: dict[str, Any] = {
    each.media_type: {"schema": {"type": "object" if name == "json" else "string"}}
    for name, each in FORMATS_OF[JobKind.DIARIZE].items()
}


@router.get(
    "/{job_id}/result",
    response_class=Response,
    responses={
        200: {
            "content": _CONTENT,
            "headers": {"ETag": {"description": "Of these bytes.", "schema": {"type": "string"}}},
        },
        304: {"description": "Still what `If-None-Match` names."},
        **problems(404, 406, 409),
    },
    summary="Fetch a result",
)
def get_result(
    request: Request,
    job_id: Id,
    caller: JobsCaller,
    service: TheService,
    format: Annotated[  # noqa: A002 - the name of the parameter in the address
        str | None,
        Query(description=f"One of {', '.join(FORMATS_OF[JobKind.DIARIZE])}; before `Accept`."),
    ] = None,
    exclusive: Annotated[
        bool | None,
        Query(description="One speaker at a time; JSON always holds both sorts of turns."),
    ] = None,
    accept: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """What a job found.

    A job that is not over, or was canceled, has no result (409); one that failed says why (409,
    with the code of its error).
    """
    job = service.jobs.get(caller, job_id)
    chosen = choose_format(job.kind, name=format, accept=accept)
    if job.error is not None:
        return problem(request, status=409, code=job.error.code, detail=job.error.message)
    if exclusive is None:
        exclusive = bool(job.render.get("exclusive", False))
    body = chosen.write(_shown(service, caller, job), exclusive)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    caching = "no-store" if job.result_sealed else "private, no-cache"
    headers = {"ETag": etag, "Vary": "Accept", "Cache-Control": caching}
    if if_none_match is not None and _matches(etag, if_none_match):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f"inline; filename*=UTF-8''{_file_name(job, chosen)}"
    return Response(body, media_type=chosen.media_type, headers=headers)


def _shown(service: Service, caller: Caller, job: Job) -> bytes:
    """The document of a job; an identification with the names that people have now."""
    document = service.jobs.document(job)
    if job.kind is not JobKind.IDENTIFY:
        return document
    found = Identification.from_json(document)
    names = service.speakers.names(caller, found.speaker_ids)
    return found.with_names(names).to_json(frame_confidence=True, names=True)


def _matches(etag: str, header: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags


def _file_name(job: Job, chosen: ResultFormat) -> str:
    return quote(PurePath(job.name or job.id).stem + chosen.extension, safe="")

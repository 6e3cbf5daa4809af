"""A job's progress as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from earmark.dialects._http import absolute_url
from earmark.dialects.native._access import AdmittingRoute, Id, JobsCaller, TheService
from earmark.dialects.native._documents import job_document
from earmark.dialects.native._names import PREFIX
from earmark.dialects.native._problems import problems
from earmark.errors import NotFound
from earmark.service import Caller, Job, Service

__all__ = ["router"]

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=AdmittingRoute)

HEARTBEAT_S = 15.0
"""Proxies close a stream on which nothing comes for longer than a minute or so."""

_RETRY_MS = 2000


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}},
        204: {"description": "The job is over, and the last event was seen."},
        **problems(404),
    },
    summary="Follow a job",
)
async def follow_job(
    request: Request,
    job_id: Id,
    caller: JobsCaller,
    service: TheService,
    last_event_id: Annotated[str | None, Header(description="The last event seen.")] = None,
) -> Response:
    """Events `state` (data: the job) and `progress` (stage, percent) as they happen.

    The first event says how the job stands, unless `Last-Event-ID` shows that this is known. The
    last event is `closing`, with the reason: `finished`, `deleted`, or `draining` (the server is
    shutting down: connect again). A comment comes every 15 seconds when nothing else does.
    """
    job = await run_in_threadpool(service.jobs.get, caller, job_id)
    if job.state.over and last_event_id == _event_id(job):
        return Response(status_code=204)
    base = absolute_url(request, PREFIX, service.settings)
    return StreamingResponse(
        _stream(service, caller, job_id, base=base, seen=last_event_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(
    service: Service, caller: Caller, job_id: str, *, base: str, seen: str | None
) -> AsyncIterator[str]:
    yield f"retry: {_RETRY_MS}\n\n"
    jobs = service.jobs.watch(caller, job_id)
    last: Job | None = None
    coming = asyncio.ensure_future(anext(jobs, None))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=HEARTBEAT_S)
            if not done:
                yield ": still here\n\n"
                continue
            try:
                job = coming.result()
            except NotFound:  # deleted meanwhile
                break
            if job is None:
                break
            if last is not None or seen != _event_id(job):
                for event in _events(job, last, base):
                    yield event
            last = job
            coming = asyncio.ensure_future(anext(jobs, None))
    finally:
        coming.cancel()
    over = last is not None and last.state.over
    reason = "finished" if over else "draining" if service.draining else "deleted"
    yield _event("closing", {"schema": "earmark.closing/1", "reason": reason})


def _events(job: Job, last: Job | None, base: str) -> Iterator[str]:
    """What has happened to a job since it was ``last`` looked at."""
    if last is None or last.state != job.state:
        document = job_document(job, base).model_dump()
        yield _event("state", document, _event_id(job))
    else:
        progress = {"schema": "earmark.progress/1", "stage": job.stage, "progress": job.progress}
        yield _event("progress", progress, _event_id(job))


def _event_id(job: Job) -> str:
    """Names how far a job is, so that any process knows what a client has seen."""
    return f"{job.state.value}.{job.stage}.{job.progress}"


def _event(name: str, data: dict[str, Any], event_id: str | None = None) -> str:
    head = "" if event_id is None else f"id: {event_id}\n"
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n"

"""Speaker search tasks, and voice tone analysis, which is not offered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from earmark.dialects.chime import _render
from earmark.dialects.chime._access import Asking, SignedRoute
from earmark.dialects.chime._names import NAME
from earmark.dialects.chime._requests import StartSearch, once
from earmark.errors import Forbidden, NotFound
from earmark.service import (
    Caller,
    Job,
    JobKind,
    JobOptions,
    Scope,
    SearchOptions,
    Service,
    Submission,
)

__all__ = ["task_routes"]

_Stop = Annotated[Literal["stop"], Query(alias="operation")]


def task_routes(service: Service) -> APIRouter:
    """What is done with tasks, below ``/voice-connectors``."""
    router, jobs = APIRouter(route_class=SignedRoute), service.jobs

    @router.post("/{connector_id}/speaker-search-tasks", status_code=201)
    def start(caller: Asking, connector_id: str, asked: StartSearch) -> dict[str, Any]:
        caller.require(Scope.GALLERIES)
        through = service.voice_connectors.get(caller, connector_id, dialect=NAME)
        call = service.calls.get(caller, connector_id, asked.transaction_id)
        domain = service.galleries.get(caller, asked.voice_profile_domain_id, dialect=NAME)
        submission = Submission(
            dialect=NAME,
            kind=JobKind.SPEAKER_SEARCH,
            options=JobOptions(
                voiceprints=True,
                search=SearchOptions(gallery_id=domain.id, leg=asked.leg),
            ),
            call_id=call.id,
            render={
                "connector": connector_id,
                "transaction": asked.transaction_id,
                "leg": asked.leg.value,
                "region": through.details["region"],
            },
            retention_s=service.settings.chime_task_retention_s,
        )
        promise = once("StartSpeakerSearchTask", asked.client_request_token, asked, connector_id)
        submitted = jobs.submit(caller, submission, idempotency=promise)
        return {"SpeakerSearchTask": _render.task(submitted.job)}

    @router.get("/{connector_id}/speaker-search-tasks/{task_id}")
    def get(caller: Asking, connector_id: str, task_id: str) -> dict[str, Any]:
        found = _found(service, caller, connector_id, task_id)
        return {"SpeakerSearchTask": _render.task(found)}

    @router.post("/{connector_id}/speaker-search-tasks/{task_id}", status_code=204)
    def stop(caller: Asking, connector_id: str, task_id: str, _: _Stop) -> None:
        _found(service, caller, connector_id, task_id)
        jobs.cancel(caller, task_id, dialect=NAME)

    @router.post("/{connector_id}/voice-tone-analysis-tasks")
    @router.get("/{connector_id}/voice-tone-analysis-tasks/{task_id}")
    @router.post("/{connector_id}/voice-tone-analysis-tasks/{task_id}")
    def tone() -> None:
        raise Forbidden(
            "Voice tone analysis is not offered by this server, which finds out who speaks and not"
            " in what mood: start a speaker search task instead."
        )

    return router


def _found(service: Service, caller: Caller, connector_id: str, task_id: str) -> Job:
    job = service.jobs.get(caller, task_id, dialect=NAME, kind=JobKind.SPEAKER_SEARCH)
    if job.render["connector"] != connector_id:
        raise NotFound(f"The connector {connector_id!r} has no speaker search task {task_id!r}.")
    return job

"""Voice profiles: speakers in the galleries of this dialect."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from earmark.dialects.chime import _render
from earmark.dialects.chime._access import Asking, Region, SignedRoute
from earmark.dialects.chime._arns import Resource
from earmark.dialects.chime._names import NAME
from earmark.dialects.chime._requests import CreateProfile, Cursor, Limit
from earmark.service import Service

__all__ = ["profile_routes"]

_DomainId = Annotated[str, Query(alias="voice-profile-domain-id", min_length=1, max_length=256)]


def profile_routes(service: Service) -> APIRouter:
    """What is done with profiles, below ``/voice-profiles``."""
    router, speakers = APIRouter(route_class=SignedRoute), service.speakers

    @router.post("/", status_code=201)
    def create(caller: Asking, region: Region, asked: CreateProfile) -> dict[str, Any]:
        made = service.task_enrolment.enrol(
            caller, asked.speaker_search_task_id, dialect=NAME, details={"region": region}
        )
        return {"VoiceProfile": _render.profile(made)}

    @router.get("/")
    def list_all(
        caller: Asking, domain_id: _DomainId, limit: Limit = 100, cursor: Cursor = None
    ) -> dict[str, Any]:
        service.galleries.get(caller, domain_id, dialect=NAME)
        found = speakers.list(caller, domain_id, limit=limit, cursor=cursor)
        return _render.page(found, "VoiceProfiles", _render.profile)

    @router.get("/{profile_id}")
    def get(caller: Asking, profile_id: str) -> dict[str, Any]:
        found = speakers.get(caller, profile_id, dialect=NAME)
        return {"VoiceProfile": _render.profile(found)}

    @router.put("/{profile_id}")
    def update(caller: Asking, profile_id: str, asked: CreateProfile) -> dict[str, Any]:
        changed = service.task_enrolment.replace(
            caller, profile_id, asked.speaker_search_task_id, dialect=NAME
        )
        return {"VoiceProfile": _render.profile(changed)}

    @router.delete("/{profile_id}", status_code=204)
    def delete(caller: Asking, profile_id: str) -> None:
        speakers.get(caller, profile_id, dialect=NAME)
        speakers.erase(caller, profile_id)
        service.tags.remove(caller, f"{Resource.PROFILE}/{profile_id}")

    return router

"""Voice profile domains: galleries of this dialect."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from earmark.dialects.chime import _render
from earmark.dialects.chime._access import Asking, Region, SignedRoute
from earmark.dialects.chime._arns import Resource
from earmark.dialects.chime._names import NAME
from earmark.dialects.chime._requests import CreateDomain, Cursor, Limit, UpdateDomain, once
from earmark.errors import Conflict
from earmark.service import Caller, Gallery, Service

__all__ = ["domain_routes"]


def domain_routes(service: Service) -> APIRouter:
    """What is done with domains, below ``/voice-profile-domains``."""
    router, galleries = APIRouter(route_class=SignedRoute), service.galleries

    @router.post("/", status_code=201)
    def create(caller: Asking, region: Region, asked: CreateDomain) -> dict[str, Any]:
        encryption = asked.server_side_encryption_configuration
        made = galleries.create(
            caller,
            name=asked.name,
            dialect=NAME,
            description=asked.description,
            details={"region": region, "kms_key_arn": encryption.kms_key_arn},
            idempotency=once("CreateVoiceProfileDomain", asked.client_request_token, asked),
        )
        if asked.tags:
            service.tags.put(caller, f"{Resource.DOMAIN}/{made.id}", asked.labels())
        return {"VoiceProfileDomain": _render.details(made)}

    @router.get("/")
    def list_all(caller: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        found = galleries.list(caller, dialect=NAME, limit=limit, cursor=cursor)
        return _render.page(found, "VoiceProfileDomains", _render.domain)

    @router.get("/{domain_id}")
    def get(caller: Asking, domain_id: str) -> dict[str, Any]:
        return {"VoiceProfileDomain": _render.details(_found(service, caller, domain_id))}

    @router.put("/{domain_id}")
    def update(caller: Asking, domain_id: str, asked: UpdateDomain) -> dict[str, Any]:
        _found(service, caller, domain_id)
        changed = galleries.update(
            caller, domain_id, name=asked.name, description=asked.description
        )
        return {"VoiceProfileDomain": _render.details(changed)}

    @router.delete("/{domain_id}", status_code=204)
    def delete(caller: Asking, domain_id: str) -> None:
        _found(service, caller, domain_id)
        if service.speakers.list(caller, domain_id, limit=1).items:
            raise Conflict(
                f"The voice profile domain {domain_id!r} has voice profiles: delete them first."
            )
        galleries.delete(caller, domain_id)
        service.tags.remove(caller, f"{Resource.DOMAIN}/{domain_id}")

    return router


def _found(service: Service, caller: Caller, domain_id: str) -> Gallery:
    """Only a domain of this dialect."""
    return service.galleries.get(caller, domain_id, dialect=NAME)

"""Voice connectors."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from earmark.dialects.chime import _render
from earmark.dialects.chime._access import Asking, Region, SignedRoute
from earmark.dialects.chime._arns import Resource
from earmark.dialects.chime._names import NAME
from earmark.dialects.chime._requests import (
    CreateVoiceConnector,
    Cursor,
    Limit,
    PutStreaming,
    Streaming,
    UpdateVoiceConnector,
)
from earmark.errors import NotFound
from earmark.service import Service

__all__ = ["connector_routes"]


def connector_routes(service: Service) -> APIRouter:
    """What is done with connectors, below ``/voice-connectors``."""
    router, connectors = APIRouter(route_class=SignedRoute), service.voice_connectors

    @router.post("/", status_code=201)
    def create(caller: Asking, region: Region, asked: CreateVoiceConnector) -> dict[str, Any]:
        details = {
            "region": asked.aws_region or region,
            "require_encryption": asked.require_encryption,
            "integration_type": asked.integration_type,
            "network_type": asked.network_type,
        }
        made = connectors.create(caller, dialect=NAME, name=asked.name, details=details)
        if asked.tags:
            service.tags.put(caller, f"{Resource.CONNECTOR}/{made.id}", asked.labels())
        return {"VoiceConnector": _render.connector(made)}

    @router.get("/")
    def list_all(caller: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        found = connectors.list(caller, dialect=NAME, limit=limit, cursor=cursor)
        return _render.page(found, "VoiceConnectors", _render.connector)

    @router.get("/{connector_id}")
    def get(caller: Asking, connector_id: str) -> dict[str, Any]:
        found = connectors.get(caller, connector_id, dialect=NAME)
        return {"VoiceConnector": _render.connector(found)}

    @router.put("/{connector_id}")
    def update(caller: Asking, connector_id: str, asked: UpdateVoiceConnector) -> dict[str, Any]:
        changed = connectors.update(
            caller,
            connector_id,
            dialect=NAME,
            name=asked.name,
            details={"require_encryption": asked.require_encryption},
        )
        return {"VoiceConnector": _render.connector(changed)}

    @router.delete("/{connector_id}", status_code=204)
    def delete(caller: Asking, connector_id: str) -> None:
        connectors.delete(caller, connector_id, dialect=NAME)
        service.tags.remove(caller, f"{Resource.CONNECTOR}/{connector_id}")

    @router.put("/{connector_id}/streaming-configuration")
    def put_streaming(caller: Asking, connector_id: str, asked: PutStreaming) -> dict[str, Any]:
        streaming = _shown(asked.streaming_configuration)
        connectors.set_streaming(caller, connector_id, streaming, dialect=NAME)
        return {"StreamingConfiguration": streaming}

    @router.get("/{connector_id}/streaming-configuration")
    def get_streaming(caller: Asking, connector_id: str) -> dict[str, Any]:
        found = connectors.get(caller, connector_id, dialect=NAME)
        if found.streaming is None:
            raise NotFound(f"The voice connector {connector_id!r} has no streaming configuration.")
        return {"StreamingConfiguration": dict(found.streaming)}

    @router.delete("/{connector_id}/streaming-configuration", status_code=204)
    def delete_streaming(caller: Asking, connector_id: str) -> None:
        connectors.set_streaming(caller, connector_id, None, dialect=NAME)

    return router


def _shown(streaming: Streaming) -> dict[str, Any]:
    return streaming.model_dump(by_alias=True, exclude_none=True)

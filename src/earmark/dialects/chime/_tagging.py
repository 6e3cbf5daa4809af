"""Tags of connectors, domains and profiles."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from earmark.dialects.chime._access import Asking, SignedRoute
from earmark.dialects.chime._arns import Resource, read_arn
from earmark.dialects.chime._names import NAME
from earmark.dialects.chime._requests import TagResource, UntagResource
from earmark.service import Caller, Service

__all__ = ["tag_routes"]

_Operation = Annotated[Literal["tag-resource", "untag-resource"], Query()]
_Arn = Annotated[str, Query(min_length=1, max_length=1024)]


def tag_routes(service: Service) -> APIRouter:
    """What is done with tags, at ``/tags``."""
    router, tags = APIRouter(route_class=SignedRoute), service.tags

    @router.post("/", status_code=204, response_class=Response)
    async def change(request: Request, caller: Asking, operation: _Operation) -> None:
        body = await request.body()
        try:
            if operation == "tag-resource":
                added = TagResource.model_validate_json(body)
                resource = await run_in_threadpool(_seen, service, caller, added.resource_arn)
                await run_in_threadpool(tags.put, caller, resource, added.labels())
            else:
                removed = UntagResource.model_validate_json(body)
                resource = await run_in_threadpool(_seen, service, caller, removed.resource_arn)
                await run_in_threadpool(tags.remove, caller, resource, removed.tag_keys)
        except ValidationError as error:
            raise RequestValidationError(
                [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
            ) from error

    @router.get("/")
    def list_all(caller: Asking, arn: _Arn) -> dict[str, Any]:
        found = tags.list(caller, _seen(service, caller, arn))
        return {"Tags": [{"Key": key, "Value": value} for key, value in found.items()]}

    return router


def _seen(service: Service, caller: Caller, arn: str) -> str:
    """What tags are kept under, of a resource that is there and the caller's to see."""
    kind, resource_id = read_arn(arn, tenant_id=caller.tenant_id)
    if kind is Resource.CONNECTOR:
        service.voice_connectors.get(caller, resource_id, dialect=NAME)
    elif kind is Resource.DOMAIN:
        service.galleries.get(caller, resource_id, dialect=NAME)
    else:
        service.speakers.get(caller, resource_id, dialect=NAME)
    return f"{kind}/{resource_id}"

"""Links by which recordings are put into the tenant's media and taken out again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from earmark.dialects._http import JsonRoute, absolute_url, announced_bytes
from earmark.dialects._multipart import receive_body
from earmark.dialects.pyannoteai._access import FILES, caller_of
from earmark.dialects.pyannoteai._names import NAME
from earmark.dialects.pyannoteai._requests import MediaRequest, blaming, media_key
from earmark.errors import Forbidden
from earmark.service import Caller, Scope, Service

__all__ = ["LINK_S", "media_links"]

LINK_S = 3600.0
"""Seconds that a link may be used; a transfer that has begun may take longer."""

Asking = Annotated[Caller, Depends(caller_of)]


def media_links(service: Service, prefix: str) -> APIRouter:
    """The endpoints, for an application that is mounted at ``prefix``."""
    router = APIRouter(tags=["Media"], route_class=JsonRoute)

    def link(request: Request, caller: Caller, use: str, key: str) -> dict[str, str]:
        caller.require(Scope.JOBS)
        claims = {"for": f"{NAME} {use}", "by": caller.key_id or "", "key": key}
        token = service.links.sign(claims, ttl_s=LINK_S)
        return {"url": absolute_url(request, f"{prefix}{FILES}{token}", service.settings)}

    def claimed(token: str, use: str) -> tuple[Caller, str]:
        claims = service.links.read(token)
        if claims.get("for") != f"{NAME} {use}":
            raise Forbidden(f"This link is not for {use}: ask for one that is.")
        return service.keys.caller(claims["by"]), claims["key"]

    @router.post("/media/input", status_code=201)
    def ask_input(request: Request, caller: Asking, asked: MediaRequest) -> dict[str, str]:
        """A link to which the recording is sent with PUT, without a key."""
        with blaming("url"):
            key = media_key(asked.url)
        return link(request, caller, "input", key)

    @router.post("/media/output", status_code=201)
    def ask_output(request: Request, caller: Asking, asked: MediaRequest) -> dict[str, str]:
        """A link from which the recording is fetched with GET, without a key."""
        with blaming("url"):
            key = media_key(asked.url)
        service.media.by_key(caller, NAME, key)  # say now if there is none
        return link(request, caller, "output", key)

    @router.put(FILES + "{token}")
    async def put(request: Request, token: str) -> Response:
        """Keep the body as the recording that the link is for."""
        caller, key = await run_in_threadpool(claimed, token, "input")
        writer = await run_in_threadpool(
            service.media.writer,
            caller,
            dialect=NAME,
            key=key,
            name=key.rpartition("/")[2] or None,
            announced=announced_bytes(request),
            retention_s=service.settings.pyannoteai_media_retention_s,
        )
        await receive_body(request, writer)
        return Response()

    @router.get(FILES + "{token}")
    def get(token: str) -> StreamingResponse:
        """The recording that the link is for."""
        caller, key = claimed(token, "output")
        media = service.media.by_key(caller, NAME, key)
        return StreamingResponse(
            service.media.stream(media),
            media_type="application/octet-stream",
            headers={"Content-Length": str(media.size)},
        )

    return router

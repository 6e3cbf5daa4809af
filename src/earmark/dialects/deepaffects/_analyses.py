"""Analyses while the client waits, and as jobs whose result a webhook is told."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from earmark.dialects.deepaffects._access import Asking
from earmark.dialects.deepaffects._calls import CALLS, Call, answer
from earmark.dialects.deepaffects._names import NAME, PREFIX
from earmark.dialects.deepaffects._people import People
from earmark.dialects.deepaffects._recordings import at_hand, receive, with_recording
from earmark.dialects.deepaffects._requests import Recorded, read_request_id
from earmark.errors import InvalidInput
from earmark.service import AddressRules, Caller, Media, Service, Submission

__all__ = ["analysis_routes"]

Text = Annotated[str | None, Query()]

_WEBHOOK: Final = "An asynchronous call needs an address for its result: the parameter webhook."


def analysis_routes(service: Service, version: str) -> APIRouter:
    """The routes below ``/v1`` or ``/v2``, which are the same."""
    router = APIRouter(prefix=f"/{version}")
    for call in CALLS:
        _add(router, service, call, f"{PREFIX}/{version}/async{call.path}")
    return router


def _add(router: APIRouter, service: Service, call: Call, api: str) -> None:
    rules = AddressRules.of(service.settings)

    @router.post(f"/sync{call.path}")
    async def at_once(request: Request, caller: Asking) -> dict[str, Any]:
        asked, media = await receive(request, service, caller, call.model, at_once=True)

        def analyse() -> dict[str, Any]:
            order = call.order(asked, People(service, caller))
            with at_hand(service, caller, asked, media) as recording:
                return answer(service, caller, order, recording)

        return await with_recording(service, caller, media, analyse)

    @router.post(f"/async{call.path}", status_code=202)
    async def later(
        request: Request,
        caller: Asking,
        webhook: Text = None,
        request_id: Text = None,
    ) -> dict[str, str]:
        if not webhook:
            raise InvalidInput(_WEBHOOK)
        rules.check_url(webhook)
        known_as = read_request_id(request_id)
        asked, media = await receive(request, service, caller, call.model, at_once=False)
        job_id = await run_in_threadpool(submit, caller, asked, media, webhook, known_as)
        return {"request_id": known_as or job_id, "api": api}

    def submit(
        caller: Caller, asked: Recorded, media: Media | None, webhook: str, known_as: str | None
    ) -> str:
        with service.media.for_request(media):
            order = call.order(asked, People(service, caller))
            submission = Submission(
                dialect=NAME,
                kind=order.kind,
                options=order.options,
                media=media,
                url=asked.url,
                webhook=webhook,
                retention_s=service.settings.deepaffects_retention_s,
                render={"request_id": known_as, **order.shown},
            )
            return service.jobs.submit(caller, submission).job.id

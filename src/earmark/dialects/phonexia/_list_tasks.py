"""Starting a task about lists of voiceprints, which has no recording."""

from __future__ import annotations

import hashlib

from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from earmark.dialects._http import announced_bytes
from earmark.dialects._multipart import receive_body
from earmark.dialects.phonexia._access import Admission
from earmark.dialects.phonexia._lists import MAX_BODY_BYTES, ListsRequest
from earmark.dialects.phonexia._names import NAME
from earmark.dialects.phonexia._requests import promise_of
from earmark.dialects.phonexia._room import Room, Share
from earmark.dialects.phonexia._tasks import accepted
from earmark.dialects.phonexia._technologies import ListsTechnology
from earmark.service import Service, Submission

__all__ = ["add_lists_route"]


def add_lists_route(app: FastAPI, service: Service, technology: ListsTechnology) -> None:
    """Let ``app`` answer ``POST /<technology>``."""
    room = Room()

    @app.post(technology.path, dependencies=[Depends(Admission(service, technology.path))])
    async def start(request: Request) -> Response:
        _refuse_too_long(announced_bytes(request) or 0)
        with room.share() as share:
            sealed = await receive_body(request, _Body(share, technology.request))
            submission = Submission(
                dialect=NAME,
                kind=technology.kind,
                sealed=sealed,
                retention_s=service.settings.phonexia_retention_s,
            )
            promise = promise_of(request, lambda: hashlib.sha256(sealed).hexdigest())
            submitted = await run_in_threadpool(
                service.jobs.submit, request.state.caller, submission, idempotency=promise
            )
        return accepted(submitted.job, technology)


def _refuse_too_long(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise HTTPException(413)


class _Body:
    """A body in memory, of which the voiceprints are made in the end.

    As a writer it takes the body as it comes.
    """

    def __init__(self, share: Share, request: type[ListsRequest]) -> None:
        self._share, self._request = share, request
        self._body = bytearray()

    def write(self, data: bytes) -> None:
        _refuse_too_long(len(self._body) + len(data))
        self._share.take(len(data))
        self._body += data

    def commit(self) -> bytes:
        """The voiceprints, to be sealed. Raises what `ListsRequest.read` does."""
        asked = self._request.read(self._body)
        self.abort()
        return asked.sealed()

    def abort(self) -> None:
        self._body.clear()

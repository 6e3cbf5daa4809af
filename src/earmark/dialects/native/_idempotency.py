"""Requests that make or change something other than a job, and may come twice."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from earmark.dialects._http import idempotency_of
from earmark.dialects.native._body import REPLAYED
from earmark.service import Caller, Service
from earmark.service._idempotency import earlier

__all__ = ["Once"]

T = TypeVar("T")


class Once:
    """Does once what a client promises to be one request, by the header ``Idempotency-Key``.

    What was done is noted afterwards: a crash in between, or two requests at the very same time,
    may do it twice. Jobs, which must not be, are noted in the transaction that makes them.
    """

    def __init__(
        self,
        request: Request,
        response: Response,
        service: Service,
        caller: Caller,
        asked: BaseModel | None = None,
    ) -> None:
        body = "" if asked is None else asked.model_dump_json()
        fingerprint = hashlib.sha256(body.encode()).hexdigest()
        self._promise = idempotency_of(request, f"POST {request.url.path}", fingerprint)
        self._response = response
        self._service = service
        self._caller = caller

    def __call__(
        self, do: Callable[[], T], *, id_of: Callable[[T], str], again: Callable[[str], T]
    ) -> T:
        """What ``do()`` makes, or ``again(id)``: what an earlier request has made.

        Raises `IdempotencyConflict` when the earlier request was another one, and what ``do`` and
        ``again`` raise.
        """
        if self._promise is None:
            return do()
        known = self._earlier("", keep=False)
        if known is None:
            made = do()
            known = self._earlier(id_of(made), keep=True)
            if known is None:
                return made
        self._response.headers[REPLAYED] = "true"
        return again(known)

    def _earlier(self, resource_id: str, *, keep: bool) -> str | None:
        with self._service.store.database.write() as connection:
            known = earlier(connection, self._caller, self._promise, resource_id, time.time())
            if not keep:
                connection.rollback()
            return known

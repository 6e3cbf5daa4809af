"""The comparison of voiceprints, a task without a recording."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Final, Self

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError, to_json
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from earmark.dialects._http import announced_bytes
from earmark.dialects._multipart import receive_body
from earmark.dialects.phonexia._access import Admission
from earmark.dialects.phonexia._errors import dotted
from earmark.dialects.phonexia._names import NAME
from earmark.dialects.phonexia._requests import promise_of
from earmark.dialects.phonexia._room import Room, Share
from earmark.dialects.phonexia._tasks import accepted
from earmark.dialects.phonexia._technologies import COMPARISON
from earmark.errors import InvalidInput, VoiceprintError
from earmark.service import Service, Submission
from earmark.voiceprints import Voiceprint, require_model

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_LIST",
    "MAX_SCORES",
    "ComparisonRequest",
    "add_comparison_route",
]

MAX_LIST: Final = 50_000
MAX_SCORES: Final = 1_000_000
MAX_BODY_BYTES: Final = 128 << 20
"""Longest body: 50,000 voiceprints and 20 to compare them with are 117 MiB."""

_TOLD: Final = 10  # of the voiceprints that cannot be used

Texts = Annotated[
    list[str], Field(min_length=1, max_length=MAX_LIST, repr=False, fail_fast=True, strict=True)
]


class ComparisonRequest(BaseModel):
    """Two lists of voiceprints (base64), each of the one to be compared with each of the other."""

    voiceprints_a: Texts
    voiceprints_b: Texts

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        scores = len(self.voiceprints_a) * len(self.voiceprints_b)
        if scores > MAX_SCORES:
            raise PydanticCustomError(
                "comparison.too-large",
                "These are {scores} comparisons, and {limit} are made at most: send fewer"
                " voiceprints.",
                {"scores": scores, "limit": MAX_SCORES},
            )
        return self

    @classmethod
    def read(cls, body: bytes | bytearray) -> Self:
        """Read the body and every voiceprint in it.

        Raises `InvalidInput` for what is no JSON, a RequestValidationError for all else.
        """
        try:
            found = cls.model_validate_json(body)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)
            if wrong[0]["type"] == "json_invalid":
                raise InvalidInput(f"The body is not JSON: {wrong[0]['msg']}.") from None
            raise RequestValidationError(
                [{**each, "loc": ("body", *each["loc"])} for each in wrong]
            ) from None
        if unusable := list(islice(_unusable(found), _TOLD)):
            raise RequestValidationError(unusable)
        return found

    def sealed(self) -> bytes:
        """The voiceprints, as they are kept encrypted with the job."""
        return to_json({"a": self.voiceprints_a, "b": self.voiceprints_b})


def add_comparison_route(app: FastAPI, service: Service) -> None:
    """Let ``app`` take comparisons."""
    room = Room()

    @app.post(COMPARISON.path, dependencies=[Depends(Admission(service, COMPARISON.path))])
    async def start(request: Request) -> Response:
        _refuse_too_long(announced_bytes(request) or 0)
        with room.share() as share:
            sealed = await receive_body(request, _Body(share))
            submission = Submission(
                dialect=NAME,
                kind=COMPARISON.kind,
                sealed=sealed,
                retention_s=service.settings.phonexia_retention_s,
            )
            promise = promise_of(request, lambda: hashlib.sha256(sealed).hexdigest())
            submitted = await run_in_threadpool(
                service.jobs.submit, request.state.caller, submission, idempotency=promise
            )
        return accepted(submitted.job, COMPARISON)


def _refuse_too_long(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise HTTPException(413)


class _Body:
    """A body in memory, of which the voiceprints are made in the end.

    As a writer it takes the body as it comes.
    """

    def __init__(self, share: Share) -> None:
        self._share = share
        self._body = bytearray()

    def write(self, data: bytes) -> None:
        _refuse_too_long(len(self._body) + len(data))
        self._share.take(len(data))
        self._body += data

    def commit(self) -> bytes:
        """The voiceprints, to be sealed. Raises what `ComparisonRequest.read` does."""
        asked = ComparisonRequest.read(self._body)
        self.abort()
        return asked.sealed()

    def abort(self) -> None:
        self._body.clear()


def _unusable(asked: ComparisonRequest) -> Iterator[dict[str, Any]]:
    for name in ("voiceprints_a", "voiceprints_b"):
        for i, text in enumerate(getattr(asked, name)):
            try:
                require_model(Voiceprint.from_base64(text))
            except VoiceprintError as error:
                yield {"loc": ("body", name, i), "msg": str(error), "type": dotted(error.code)}

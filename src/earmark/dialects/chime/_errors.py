"""Errors as boto3 makes typed exceptions of: ``x-amzn-ErrorType`` and ``{"Code", "Message"}``."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from earmark.errors import ConsentRequired, EarmarkError, Kind, RateLimited

__all__ = ["add_error_bodies"]

# Kind -> status, exception, code. 429 and 5xx are what boto3 tries again, up to five times.
_BAD: Final = (400, "BadRequestException", "BadRequest")
_FAILED: Final = (500, "ServiceFailureException", "ServiceFailure")
_BY_KIND: Final[Mapping[Kind, tuple[int, str, str]]] = {
    Kind.INVALID: _BAD,
    Kind.TOO_LARGE: _BAD,
    Kind.UNAUTHENTICATED: (401, "UnauthorizedClientException", "Unauthorized"),
    Kind.FORBIDDEN: (403, "ForbiddenException", "Forbidden"),
    Kind.NOT_FOUND: (404, "NotFoundException", "NotFound"),
    Kind.CONFLICT: (409, "ConflictException", "Conflict"),
    Kind.GONE: (410, "GoneException", "Gone"),
    Kind.RATE_LIMITED: (429, "ThrottledClientException", "Throttled"),
    Kind.EXHAUSTED: (503, "ServiceUnavailableException", "ServiceUnavailable"),
    Kind.UNAVAILABLE: (503, "ServiceUnavailableException", "ServiceUnavailable"),
    Kind.INTERNAL: _FAILED,
}
# What other APIs call otherwise.
_WORDS: Final = {"gallery": "voice profile domain", "speaker": "voice profile", "job": "task"}
_OUR_WORDS: Final = re.compile(rf"\b({'|'.join(_WORDS)})\b(?! search)")
_NO_CONSENT: Final = (403, "AccessDeniedException", "AccessDenied")


def add_error_bodies(app: FastAPI) -> None:
    """Let every error of ``app`` be answered as the vendor's clients read it."""
    app.exception_handler(EarmarkError)(_refused)
    app.exception_handler(RequestValidationError)(_not_valid)
    app.exception_handler(HTTPException)(_not_routed)
    app.exception_handler(Exception)(_unexpected)


def _answer(
    request: Request,
    answer: tuple[int, str, str],
    message: str,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    status, exception, code = answer
    request_id = getattr(request.state, "request_id", None) or str(uuid.uuid4())
    return JSONResponse(
        {"Code": code, "Message": message},
        status_code=status,
        headers={"x-amzn-ErrorType": exception, "x-amzn-RequestId": request_id, **(headers or {})},
    )


def _refused(request: Request, error: EarmarkError) -> JSONResponse:
    answer = _NO_CONSENT if isinstance(error, ConsentRequired) else _BY_KIND[error.kind]
    headers = {}
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return _answer(request, answer, _in_its_words(str(error)), headers)


def _in_its_words(message: str) -> str:
    """A message that names things as this API does."""
    return _OUR_WORDS.sub(lambda found: _WORDS[found[0]], message)


def _not_valid(request: Request, error: RequestValidationError) -> JSONResponse:
    wrong = [
        f"{'.'.join(str(part) for part in each['loc'][1:]) or 'The body'}: {each['msg']}."
        for each in error.errors()
    ]
    return _answer(request, _BAD, " ".join(wrong[:5]))


def _not_routed(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code in (404, 405):
        message = f"There is nothing at {request.method} {request.url.path}."
        return _answer(request, _BY_KIND[Kind.NOT_FOUND], message)
    return _answer(request, _BAD, error.detail)


def _unexpected(request: Request, _: Exception) -> JSONResponse:
    return _answer(request, _FAILED, "The server failed unexpectedly; its log says how.")

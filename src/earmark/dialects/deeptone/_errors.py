"""Errors: ``{"message_type": "error", "message", "code"}``, over HTTP and in streams alike.

The vendor's pages do not say what its own look like; ``code`` is one of ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from earmark.errors import EarmarkError, InvalidInput, Kind, RateLimited

__all__ = ["add_error_bodies", "error_message", "refusal"]

_BY_KIND: Final[Mapping[Kind, int]] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 404,
    Kind.TOO_LARGE: 413,
    Kind.RATE_LIMITED: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
    Kind.EXHAUSTED: 507,
}
_UNEXPECTED: Final = "The server failed unexpectedly; its log says how."


def error_message(message: str, code: str) -> dict[str, str]:
    """The body of a refusal, and a stream's message."""
    return {"message_type": "error", "message": message, "code": code}


def refusal(error: EarmarkError) -> JSONResponse:
    """One of our own errors, before a stream is opened or instead of an answer."""
    headers = {}
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    body = error_message(str(error), error.code)
    return JSONResponse(body, _BY_KIND[error.kind], headers)


def add_error_bodies(app: FastAPI) -> None:
    """Let every error of ``app`` be answered so."""

    @app.exception_handler(EarmarkError)
    def _ours(_: Request, error: EarmarkError) -> JSONResponse:
        return refusal(error)

    @app.exception_handler(RequestValidationError)
    def _not_valid(_: Request, error: RequestValidationError) -> JSONResponse:
        wrong = error.errors()[0]
        place = ".".join(str(part) for part in wrong["loc"])
        return refusal(InvalidInput(f"The request cannot be read: {place}: {wrong['msg']}."))

    @app.exception_handler(HTTPException)
    def _not_routed(_: Request, error: HTTPException) -> JSONResponse:
        body = error_message(error.detail, f"http.{error.status_code}")
        return JSONResponse(body, error.status_code, error.headers)

    @app.exception_handler(Exception)
    def _unexpected(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse(error_message(_UNEXPECTED, "internal"), 500)

"""Errors in the vendor's shapes.

400 is ``{"message": "Invalid request", "errors": [{"field", "message"}]}``, everything else
``{"requestId", "message"}``.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterable, Mapping

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from earmark.errors import EarmarkError, Kind, RateLimited
from earmark.service import Allowance

__all__ = ["handle_errors", "limit_headers", "problem", "refusal", "whole_seconds"]

_STATUS = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.TOO_LARGE: 413,
    Kind.RATE_LIMITED: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
    Kind.EXHAUSTED: 507,
}

_NO_OBJECT = "The body must be a JSON object, sent with Content-Type: application/json."


def handle_errors(app: FastAPI) -> None:
    """Make an application answer every error in the vendor's shapes."""

    @app.exception_handler(EarmarkError)
    def _ours(request: Request, error: EarmarkError) -> JSONResponse:
        return refusal(request, error)

    @app.exception_handler(RequestValidationError)
    def _not_valid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _invalid(_blamed(each["loc"], each["msg"]) for each in error.errors())

    @app.exception_handler(HTTPException)
    def _not_routed(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:
            return _invalid([("body", _NO_OBJECT)])
        told = {
            404: "There is nothing at this path.",
            405: f"This path does not take {request.method}.",
        }
        message = told.get(error.status_code, error.detail)
        return problem(request, error.status_code, message, error.headers)

    @app.exception_handler(Exception)
    def _unexpected(request: Request, _: Exception) -> JSONResponse:
        # Made outside of the middleware that tells of the rate limit elsewhere.
        headers = limit_headers(request)
        return problem(request, 500, "The server failed unexpectedly; its log says how.", headers)


def refusal(request: Request, error: EarmarkError) -> JSONResponse:
    """One of our own errors."""
    if error.kind is Kind.INVALID:
        return _invalid([("request", str(error))])
    headers = {}
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(whole_seconds(error.retry_after_s))
    return problem(request, _STATUS[error.kind], str(error), headers)


def problem(
    request: Request, status: int, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Anything but a 400."""
    request_id = getattr(request.state, "request_id", None) or str(uuid.uuid4())
    return JSONResponse({"requestId": request_id, "message": message}, status, headers)


def limit_headers(request: Request) -> dict[str, str]:
    """The headers that tell of the rate limit, once it was counted."""
    allowance: Allowance | None = getattr(request.state, "allowance", None)
    if allowance is None:
        return {}
    return {
        "X-RateLimit-Limit": str(allowance.limit),
        "X-RateLimit-Remaining": str(allowance.remaining),
        "X-RateLimit-Reset": str(whole_seconds(allowance.reset_at - time.time())),
    }


def whole_seconds(duration: float) -> int:
    """For headers: at least 1, so that nobody tries again at once."""
    return max(1, math.ceil(duration))


def _invalid(errors: Iterable[tuple[str, str]]) -> JSONResponse:
    rows = [{"field": field, "message": message} for field, message in errors]
    return JSONResponse({"message": "Invalid request", "errors": rows}, 400)


def _blamed(place: tuple[str | int, ...], message: str) -> tuple[str, str]:
    """The field at a place such as ``("body", "voiceprints", 0)``, and what is wrong with it."""
    if len(place) < 2 or not isinstance(place[1], str):  # no object: where its JSON breaks off
        return "body", _NO_OBJECT
    return ".".join(str(part) for part in place[1:]), message

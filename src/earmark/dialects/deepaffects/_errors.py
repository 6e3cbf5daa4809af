"""Errors in the vendor's shape: a ``fault``, in both of the spellings that its pages have.

``{"fault": {"faultstring", "fault_string", "detail": {"errorcode", "error_code"}}}``
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from earmark.errors import EarmarkError, Kind, RateLimited

__all__ = ["add_faults", "fault", "fault_of"]

_BY_KIND: Final[Mapping[Kind, tuple[int, str]]] = {
    Kind.INVALID: (400, "com.deepaffects.BadRequest"),
    Kind.UNAUTHENTICATED: (401, "oauth.v2.InvalidApiKey"),
    Kind.FORBIDDEN: (403, "com.deepaffects.Forbidden"),
    Kind.NOT_FOUND: (404, "com.deepaffects.NotFound"),
    Kind.CONFLICT: (409, "com.deepaffects.Conflict"),
    Kind.GONE: (404, "com.deepaffects.NotFound"),
    Kind.TOO_LARGE: (413, "com.deepaffects.TooLarge"),
    Kind.RATE_LIMITED: (429, "rate_limit"),
    Kind.INTERNAL: (500, "api_error"),
    Kind.UNAVAILABLE: (503, "api_error"),
    Kind.EXHAUSTED: (507, "api_error"),
}

_UNEXPECTED: Final = "The server failed unexpectedly; its log says how."


def fault(message: str, code: str) -> dict[str, Any]:
    """The body of an error."""
    return {
        "fault": {
            "faultstring": message,
            "fault_string": message,
            "detail": {"errorcode": code, "error_code": code},
        }
    }


def fault_of(kind: Kind, message: str) -> dict[str, Any]:
    """The body for an error of a kind."""
    return fault(message, _BY_KIND[kind][1])


def add_faults(app: FastAPI) -> None:
    """Let every error of ``app`` be answered in the vendor's shape."""

    @app.exception_handler(EarmarkError)
    def _ours(_: Request, error: EarmarkError) -> JSONResponse:
        headers = {}
        if isinstance(error, RateLimited):
            headers["Retry-After"] = str(math.ceil(error.retry_after_s))
        message = "Invalid ApiKey" if error.kind is Kind.UNAUTHENTICATED else str(error)
        return JSONResponse(fault_of(error.kind, message), _BY_KIND[error.kind][0], headers)

    @app.exception_handler(HTTPException)
    def _not_routed(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(fault(error.detail, "unknown_route"), error.status_code, error.headers)

    @app.exception_handler(Exception)
    def _unexpected(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse(fault_of(Kind.INTERNAL, _UNEXPECTED), 500)

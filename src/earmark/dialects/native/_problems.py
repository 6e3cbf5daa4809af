"""Errors as documents: RFC 9457, ``application/problem+json``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request

from earmark.errors import EarmarkError, Kind, RateLimited

__all__ = [
    "Problem",
    "Wrong",
    "install_handlers",
    "problem",
    "problems",
    "refusal",
    "wrongs",
]

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[Kind, HTTPStatus] = {
    Kind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Kind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.GONE: HTTPStatus.GONE,
    Kind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Kind.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Kind.EXHAUSTED: HTTPStatus.INSUFFICIENT_STORAGE,
    Kind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Kind.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_TITLES: Mapping[int, str] = {
    401: "No valid key",
    403: "Not allowed",
    404: "Not found",
    405: "Not done here",
    406: "No such format",
    409: "Contradicts what is there",
    410: "Not there any more",
    413: "Too large",
    415: "Not a body that is read here",
    422: "Cannot be used as it is",
    429: "Too many requests",
    500: "The server failed",
    503: "Not available now",
    507: "No room left",
}

_CODES: Mapping[int, str] = {
    404: "http.not_found",
    405: "http.method",
    406: "result.format",
    413: "http.too_large",
    415: "http.media_type",
    422: "input.invalid",
}
_RETRY_S = 5  # what a server that is restarting takes


class Wrong(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Which field or parameter; empty: the body as a whole.")
    message: str = Field(description="What is wrong with it, in one sentence.")


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(description="Names the code as a URI.")
    title: str = Field(description="What the status means.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong and what to do, for people.")
    code: str = Field(description="A stable name for programs; see the list of errors.")
    request_id: str = Field(description="What the server's log calls this request.")
    errors: list[Wrong] = Field(default=[], description="Each thing that is wrong, if several.")


def problem(
    request: HTTPConnection,
    *,
    status: int,
    code: str,
    detail: str,
    errors: Iterable[Wrong] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer to a request that is refused."""
    body = Problem(
        type=f"urn:earmark:problem:{code}",
        title=_TITLES.get(status) or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        request_id=getattr(request.state, "request_id", ""),
        errors=list(errors),
    )
    return JSONResponse(
        body.model_dump(exclude_defaults=True),
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer beside success, for its OpenAPI document."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def install_handlers(app: FastAPI) -> None:
    """Have every failure answered by a problem document."""
    app.add_exception_handler(EarmarkError, _earmark_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def _earmark_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, EarmarkError)
    return refusal(request, error)


def refusal(request: HTTPConnection, error: EarmarkError) -> JSONResponse:
    """The answer to a request that failed with this error."""
    headers = {}
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if error.kind is Kind.UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_S)
    return problem(
        request,
        status=STATUS[error.kind],
        code=error.code,
        detail=str(error),
        headers=headers,
    )


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    errors = wrongs(found)
    broken = any(each["type"] == "json_invalid" for each in found)
    return problem(
        request,
        status=422,
        code="input.invalid" if broken else "input.option",
        detail=" ".join(wrong.message for wrong in errors[:5]),
        errors=errors if len(errors) > 1 else (),
    )


def wrongs(found: Sequence[Mapping[str, Any]]) -> list[Wrong]:
    """What pydantic has found, one per field."""
    by_field = {wrong.field: wrong for wrong in map(_wrong, reversed(found))}
    return [*reversed(by_field.values())]


def _wrong(error: Mapping[str, Any]) -> Wrong:
    where = [str(part) for part in error["loc"]]
    if where and where[0] in ("body", "query", "path", "header"):
        where = where[1:]
    field = where[0] if where else ""
    what = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    match error["type"]:
        case "json_invalid":
            return Wrong(field="", message=f"The body is not JSON: {what}.")
        case "extra_forbidden":
            return Wrong(field=field, message=f"There is no field {field!r}.")
        case "missing":
            name = f"field {field!r}" if field else "body"
            return Wrong(field=field, message=f"The {name} is missing.")
        case "value_error" if not field:
            return Wrong(field="", message=f"{what}.")
    if field.startswith("voiceprint"):  # what is biometric is not repeated
        return Wrong(field=field, message=f"{field} cannot be used: {what}.")
    value = repr(error["input"])
    value = value if len(value) <= 100 else value[:100] + "…"
    return Wrong(field=field, message=f"{field or 'The body'}={value} cannot be used: {what}.")


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = error.status_code
    if status == 400:  # FastAPI, of a body that is not even text
        status, error = 422, HTTPException(422, "The body is not JSON: it is not UTF-8 text.")
    detail = {
        404: f"There is nothing at {request.url.path}.",
        405: f"{request.method} is not done at {request.url.path}.",
    }.get(status, "")
    if error.detail and error.detail != HTTPStatus(status).phrase:
        detail = error.detail
    return problem(
        request,
        status=status,
        code=_CODES.get(status, "http.error"),
        detail=detail or HTTPStatus(status).phrase,
        headers=error.headers,
    )


def _unexpected(request: Request, _: Exception) -> JSONResponse:
    return problem(
        request,
        status=500,
        code="internal",
        detail="Something went wrong in the server: its log has more under this request's id.",
    )

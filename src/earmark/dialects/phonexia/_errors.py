"""Error bodies: ``{"type", "message", "detail": [{"location", "message", "type", "context"}]}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from earmark.dialects.phonexia._ids import ids_of
from earmark.errors import EarmarkError, Kind, MediaTooLarge, NotFound

__all__ = ["add_error_bodies", "detail", "dotted"]

_INTERNAL: Final = (500, "internal", "Internal error.")
_NOT_FOUND: Final = (404, "resource.not-found", "Resource not found.")

_BY_KIND: Final[Mapping[Kind, tuple[int, str, str]]] = {
    Kind.INVALID: (400, "request.invalid", "Invalid request."),
    Kind.UNAUTHENTICATED: (403, "request.forbidden", "Request is forbidden."),
    Kind.FORBIDDEN: (403, "request.forbidden", "Request is forbidden."),
    Kind.NOT_FOUND: _NOT_FOUND,
    # The vendor has neither idempotency keys nor a server that says it is shutting down.
    Kind.CONFLICT: (409, "request.invalid", "Invalid request."),
    Kind.GONE: (404, "resource.not-found", "The requested resource is gone."),
    Kind.UNAVAILABLE: (503, "internal", "Service is unavailable."),
    Kind.TOO_LARGE: (413, "request.size-limit-exceeded", "Request size limit exceeded."),
    Kind.EXHAUSTED: (507, "storage.capacity-exceeded", "Storage capacity exceeded."),
    Kind.INTERNAL: _INTERNAL,
}

_LOCATIONS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.UNAUTHENTICATED: ("header", "Authorization"),
    Kind.FORBIDDEN: ("header", "Authorization"),
    Kind.CONFLICT: ("header", "Idempotency-Key"),
    Kind.UNAVAILABLE: ("server",),
}
"""Where the cause of an error lies; the vendor's bodies of the other kinds have no details."""

_BY_STATUS: Final[Mapping[int, tuple[int, str, str]]] = {
    404: _NOT_FOUND,
    405: (405, "method.invalid", "Invalid method."),
    413: (413, "request.size-limit-exceeded", "Request size limit exceeded."),
}


def detail(
    location: Sequence[str | int],
    message: str,
    kind: str,
    context: Mapping[str, str | int | float | bool] | None = None,
) -> dict[str, Any]:
    """One entry of an error's ``detail``."""
    return {
        "location": list(location),
        "message": message,
        "type": kind,
        "context": dict(context or {}),
    }


def dotted(code: str) -> str:
    """An error code as the vendor spells its own: ``audio.too-large``."""
    return code.replace("_", "-")


def add_error_bodies(app: FastAPI) -> None:
    """Let every error of ``app`` be answered in the vendor's form."""
    app.exception_handler(EarmarkError)(_refused)
    app.exception_handler(MediaTooLarge)(_too_large)
    app.exception_handler(NotFound)(_no_such_task)
    app.exception_handler(RequestValidationError)(_not_valid)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(Exception)(_failed)


def _body(
    answer: tuple[int, str, str],
    details: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    status, kind, message = answer
    return JSONResponse(
        {"type": kind, "message": message, "detail": list(details)},
        status_code=status,
        headers=headers,
    )


def _refused(_: Request, error: EarmarkError) -> JSONResponse:
    location = _LOCATIONS.get(error.kind)
    details = [] if location is None else [detail(location, str(error), dotted(error.code))]
    return _body(_BY_KIND[error.kind], details)


def _too_large(_: Request, error: MediaTooLarge) -> JSONResponse:
    entry = detail(
        ("body", "file"),
        "Input media file too large.",
        "media.too-large",
        {"file_size": error.size, "max_file_size": error.limit, "size_unit": "bytes"},
    )
    return _body(_BY_KIND[error.kind], [entry])


def _no_such_task(_: Request, __: NotFound) -> JSONResponse:
    message = "The requested task does not exist."
    return _body(_NOT_FOUND, [detail(("path", "task_id"), message, "task.not-found")])


def _not_valid(_: Request, error: RequestValidationError) -> JSONResponse:
    return _body(
        (422, "request.validation-error", "Request validation error."),
        [
            detail(each["loc"], each["msg"], each["type"], _context(each.get("ctx", {})))
            for each in error.errors()
        ],
    )


def _context(values: Mapping[str, object]) -> dict[str, str | int | float | bool]:
    return {
        name: value if isinstance(value, str | int | float) else str(value)
        for name, value in values.items()
    }


def _http_error(_: Request, error: HTTPException) -> JSONResponse:
    if error.status_code == 429:
        limited = (429, "request.rate-limit-exceeded", error.detail)
        return _body(limited, headers=error.headers)
    return _body(_BY_STATUS.get(error.status_code, _INTERNAL), headers=error.headers)


def _failed(request: Request, _: Exception) -> JSONResponse:
    """What nobody expected; the server logs it, the client learns no more than that."""
    return _body(_INTERNAL, headers=ids_of(request))

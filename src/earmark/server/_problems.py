"""Errors outside every dialect, as problem documents (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

__all__ = ["problem"]

_DETAILS = {
    404: "There is nothing at this address: the APIs are described at /docs.",
    405: "This address does not take this method: the header Allow names those it takes.",
}

_CODES = {404: "http.not_found", 405: "http.method", 500: "internal"}


async def problem(request: Request, error: Exception) -> Response:
    """The answer to a request that no dialect answers."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    title = HTTPStatus(status).phrase
    code = _CODES.get(status, "http.error")
    return JSONResponse(
        {
            "type": f"urn:earmark:problem:{code}",
            "title": title,
            "status": status,
            "detail": _DETAILS.get(status, f"{title}."),
            "code": code,
            "request_id": request.state.request_id,
        },
        status,
        headers=error.headers if isinstance(error, HTTPException) else None,
        media_type="application/problem+json",
    )

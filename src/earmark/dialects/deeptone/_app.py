"""The applications: live streams, and files."""

from __future__ import annotations

from typing import Final, NoReturn

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from earmark.dialects._http import RateLimitHeaders
from earmark.dialects.deeptone._errors import add_error_bodies
from earmark.dialects.deeptone._files import file_routes
from earmark.dialects.deeptone._names import FILES, STREAM
from earmark.dialects.deeptone._stream import add_stream
from earmark.service import Service

__all__ = ["mounts"]

_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def mounts(service: Service) -> dict[str, FastAPI]:
    """Path prefix -> application."""
    stream, files = _application(), _application()
    add_stream(stream, service)
    files.include_router(file_routes(service))

    @stream.api_route("/{path:path}", methods=_METHODS, response_model=None)
    def no_stream(path: str) -> NoReturn:  # noqa: ARG001 - whatever it is
        raise HTTPException(
            426, f"{STREAM} is a WebSocket: connect to it as one.", {"Upgrade": "websocket"}
        )

    return {STREAM: stream, FILES: files}


def _application() -> FastAPI:
    app = FastAPI(
        title="DeepTone Cloud API, as Earmark speaks it", openapi_url=None, redirect_slashes=False
    )
    app.add_middleware(RateLimitHeaders)
    add_error_bodies(app)
    return app

"""The applications that the server mounts."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from earmark.dialects.pyannoteai._access import Admission
from earmark.dialects.pyannoteai._errors import handle_errors
from earmark.dialects.pyannoteai._jobs import first_version, second_version
from earmark.dialects.pyannoteai._media import media_links
from earmark.dialects.pyannoteai._submit import submissions
from earmark.service import Service

__all__ = ["mounts"]


def mounts(service: Service) -> dict[str, FastAPI]:
    """Path prefix -> application."""
    first = (submissions(service), first_version(service), media_links(service, "/v1"))
    return {
        "/v1": _application(service, *first),
        "/v2": _application(service, second_version(service)),
    }


def _application(service: Service, *routers: APIRouter) -> FastAPI:
    app = FastAPI(
        title="Earmark, pyannoteAI dialect", docs_url=None, redoc_url=None, redirect_slashes=False
    )
    for router in routers:
        app.include_router(router)
    handle_errors(app)
    app.add_middleware(Admission, service=service)
    return app

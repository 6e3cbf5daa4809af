"""The applications that the server mounts."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from earmark.dialects._http import RateLimitHeaders
from earmark.dialects.chime._connectors import connector_routes
from earmark.dialects.chime._domains import domain_routes
from earmark.dialects.chime._errors import add_error_bodies
from earmark.dialects.chime._profiles import profile_routes
from earmark.dialects.chime._tagging import tag_routes
from earmark.dialects.chime._tasks import task_routes
from earmark.service import Service

__all__ = ["mounts"]


def mounts(service: Service) -> dict[str, FastAPI]:
    """Path prefix -> application."""
    return {
        "/voice-connectors": _application(service, connector_routes(service), task_routes(service)),
        "/voice-profile-domains": _application(service, domain_routes(service)),
        "/voice-profiles": _application(service, profile_routes(service)),
        "/tags": _application(service, tag_routes(service)),
    }


def _application(service: Service, *routers: APIRouter) -> FastAPI:
    app = FastAPI(
        title="Amazon Chime SDK Voice, as Earmark speaks it",
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.add_middleware(RateLimitHeaders)
    for router in routers:
        app.include_router(router)
    add_error_bodies(app)
    return app

"""The application under ``/api/technology``."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from earmark.dialects._http import RateLimitHeaders
from earmark.dialects.phonexia._errors import add_error_bodies
from earmark.dialects.phonexia._ids import CorrelationIds
from earmark.dialects.phonexia._list_tasks import add_lists_route
from earmark.dialects.phonexia._names import PREFIX
from earmark.dialects.phonexia._recordings import add_recording_route
from earmark.dialects.phonexia._tasks import add_task_route
from earmark.dialects.phonexia._technologies import LISTS_TECHNOLOGIES, RECORDING_TECHNOLOGIES
from earmark.service import Service

__all__ = ["mounts"]

_TITLE: Final = "Phonexia Speech Platform 4, as Earmark speaks it"


def mounts(service: Service) -> dict[str, FastAPI]:
    """The one application, by the prefix that it is mounted at."""
    app = FastAPI(title=_TITLE, openapi_url=None, redirect_slashes=False)
    app.add_middleware(RateLimitHeaders)
    app.add_middleware(CorrelationIds)
    add_error_bodies(app)
    for technology in RECORDING_TECHNOLOGIES:
        add_recording_route(app, service, technology)
    for lists in LISTS_TECHNOLOGIES:
        add_lists_route(app, service, lists)
    for each in (*RECORDING_TECHNOLOGIES, *LISTS_TECHNOLOGIES):
        add_task_route(app, service, each)
    return {PREFIX: app}

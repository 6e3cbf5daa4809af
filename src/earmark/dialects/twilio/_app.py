"""The application that the server mounts."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from earmark.dialects.twilio._names import PREFIX
from earmark.dialects.twilio._stream import media_stream
from earmark.service import Service

__all__ = ["mounts"]


def mounts(service: Service) -> dict[str, Starlette]:
    """Path prefix -> application."""
    app = Starlette(routes=[WebSocketRoute("/media-streams", media_stream)])
    app.state.service = service
    return {PREFIX: app}

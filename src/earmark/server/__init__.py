"""The server: everything put together and kept running."""

from __future__ import annotations

from earmark.server._app import create_app
from earmark.server._run import serve, work

__all__ = ["create_app", "serve", "work"]

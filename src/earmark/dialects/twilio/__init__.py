"""Twilio Media Streams: Twilio brings the sound of its calls by a WebSocket of its own protocol."""

from __future__ import annotations

from earmark.dialects.twilio._app import mounts
from earmark.dialects.twilio._names import NAME

__all__ = ["NAME", "mounts"]

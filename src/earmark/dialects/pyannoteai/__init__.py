"""The API of pyannoteAI, so that its clients work after a change of the base URL."""

from __future__ import annotations

from earmark.dialects.pyannoteai._app import mounts
from earmark.dialects.pyannoteai._names import NAME
from earmark.dialects.pyannoteai._webhook_format import webhook_format

__all__ = ["NAME", "mounts", "webhook_format"]

"""The REST API of DeepAffects, so that its clients work after a change of the host.

Paths, bodies and errors as the vendor's package and pages have them; what they leave open is
decided in docs/deepaffects.md.
"""

from __future__ import annotations

from earmark.dialects.deepaffects._app import mounts
from earmark.dialects.deepaffects._names import NAME
from earmark.dialects.deepaffects._webhook_format import webhook_format

__all__ = ["NAME", "mounts", "webhook_format"]

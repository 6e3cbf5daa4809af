"""The REST API and the real-time service of DeepAffects, so that its clients work with us.

They change nothing but the host. Paths, bodies and errors are as the vendor's package and pages
have them; what they leave open is decided in docs/deepaffects.md.
"""

from __future__ import annotations

from earmark.dialects.deepaffects._app import mounts
from earmark.dialects.deepaffects._names import NAME
from earmark.dialects.deepaffects._realtime import grpc_services
from earmark.dialects.deepaffects._webhook_format import webhook_format

__all__ = ["NAME", "grpc_services", "mounts", "webhook_format"]

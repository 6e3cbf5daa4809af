"""Phonexia Speech Platform 4: the REST API's tasks under ``/api/technology``, and gRPC services.

Paths, parameters, bodies and errors as the vendor's API reference has them; what it leaves open is
decided in docs/phonexia.md.
"""

from __future__ import annotations

from earmark.dialects.phonexia._app import mounts
from earmark.dialects.phonexia._grpc import grpc_services
from earmark.dialects.phonexia._names import NAME

__all__ = ["NAME", "grpc_services", "mounts"]

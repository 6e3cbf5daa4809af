"""Earmark's own API, ``/api/v1``: what its page, its command line and its client speak."""

from __future__ import annotations

from earmark.dialects.native._app import mounts
from earmark.dialects.native._live_grpc import grpc_services
from earmark.dialects.native._live_messages import told
from earmark.dialects.native._names import NAME
from earmark.dialects.native._webhook_format import webhook_format

__all__ = ["NAME", "grpc_services", "mounts", "told", "webhook_format"]

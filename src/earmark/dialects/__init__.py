"""One folder per API that Earmark speaks; each parses, calls `earmark.service`, and renders.

A dialect exports ``NAME``, which its rows carry, and ``mounts(service)``: path prefix -> an
application of its own, with its own error bodies. One with webhooks also exports
``webhook_format(settings)``, one that is spoken by gRPC ``grpc_services(server, service)``. In
every folder, ``_access`` finds out who asks and counts it, ``_errors`` or ``_problems`` writes
refusals, ``_requests`` says what may be asked, and ``_render`` or ``_documents`` what is answered.
"""

from __future__ import annotations

__all__ = ["MAX_MESSAGE_BYTES"]

MAX_MESSAGE_BYTES = 2 << 20
"""Longest message of a WebSocket, in any of them: a minute of sound at 16 kHz."""

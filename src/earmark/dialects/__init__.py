"""One folder per API that Earmark speaks; each parses, calls `earmark.service`, and renders.

A dialect exports ``NAME``, which its rows carry, and ``mounts(service)``: path prefix -> an
application of its own, with its own error bodies.
"""

from __future__ import annotations

__all__: list[str] = []

"""The REST API of Phonexia Speech Platform 4: tasks under ``/api/technology``.

Paths, parameters, bodies and errors as the vendor's API reference has them; what it leaves open is
decided in docs/phonexia.md.
"""

from __future__ import annotations

from earmark.dialects.phonexia._app import mounts
from earmark.dialects.phonexia._names import NAME

__all__ = ["NAME", "mounts"]

"""The API of the DeepTone Cloud, so that its clients work after a change of the host.

Live streams and files, as the vendor's pages and the programs of its users have them; what those
leave open is decided in docs/deeptone.md.
"""

from __future__ import annotations

from earmark.dialects.deeptone._app import mounts
from earmark.dialects.deeptone._names import NAME

__all__ = ["NAME", "mounts"]

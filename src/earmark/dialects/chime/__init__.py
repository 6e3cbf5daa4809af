"""The API of Amazon Chime SDK Voice, as boto3 speaks it: voice profiles and speaker search.

Paths, bodies and errors as the vendor's API model of 2022-08-03 has them; what it leaves open is
decided in docs/chime.md.
"""

from __future__ import annotations

from earmark.dialects.chime._app import mounts
from earmark.dialects.chime._names import NAME
from earmark.dialects.chime._webhook_format import webhook_format

__all__ = ["NAME", "mounts", "webhook_format"]

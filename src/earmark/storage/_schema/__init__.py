"""The tables. Times are seconds since 1970 (UTC), as floats; ids are UUIDs unless said otherwise.

What a deployed database has is made by the migrations beside this file; a test compares the two.
"""

from __future__ import annotations

from earmark.storage._schema._base import metadata
from earmark.storage._schema._calls import (
    call_sound,
    calls,
    resource_tags,
    voice_connectors,
)
from earmark.storage._schema._jobs import (
    api_keys,
    attempts,
    deliveries,
    executors,
    idempotency,
    installation,
    jobs,
    media,
    tenants,
    upload_parts,
    uploads,
    webhooks,
)
from earmark.storage._schema._people import (
    audit,
    audit_heads,
    consents,
    galleries,
    gallery_changes,
    job_matches,
    job_voiceprints,
    receipts,
    samples,
    speakers,
    voiceprints,
)

__all__ = [
    "api_keys",
    "attempts",
    "audit",
    "audit_heads",
    "call_sound",
    "calls",
    "consents",
    "deliveries",
    "executors",
    "galleries",
    "gallery_changes",
    "idempotency",
    "installation",
    "job_matches",
    "job_voiceprints",
    "jobs",
    "media",
    "metadata",
    "receipts",
    "resource_tags",
    "samples",
    "speakers",
    "tenants",
    "upload_parts",
    "uploads",
    "voice_connectors",
    "voiceprints",
    "webhooks",
]

"""Names of resources, ``arn:aws:chime:REGION:ACCOUNT:KIND/ID``: a form of this server's own."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

from earmark.errors import NotFound

__all__ = ["Resource", "account_of", "arn_of", "read_arn"]

_ARN = re.compile(r"arn:aws:chime:[^:]*:(?P<account>[0-9]{12}):(?P<kind>[a-z-]+)/(?P<id>[^/]+)")


class Resource(StrEnum):
    """What can be named, and have tags."""

    CONNECTOR = "vc"
    DOMAIN = "voice-profile-domain"
    PROFILE = "voice-profile"


def account_of(tenant_id: str) -> str:
    """Twelve digits that stand for a tenant, always the same."""
    number = int.from_bytes(hashlib.sha256(tenant_id.encode()).digest()[:8], "big")
    return f"{number % 10**12:012}"


def arn_of(kind: Resource, resource_id: str, *, tenant_id: str, region: str) -> str:
    return f"arn:aws:chime:{region}:{account_of(tenant_id)}:{kind}/{resource_id}"


def read_arn(arn: str, *, tenant_id: str) -> tuple[Resource, str]:
    """What a name stands for. Raises `NotFound` when it is nothing of the tenant's."""
    found = _ARN.fullmatch(arn)
    known = found is not None and found["kind"] in list(Resource)
    if found is None or not known or found["account"] != account_of(tenant_id):
        raise NotFound(f"There is no resource {arn!r}.")
    return Resource(found["kind"]), found["id"]

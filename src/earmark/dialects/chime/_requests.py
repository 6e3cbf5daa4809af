"""What may be asked: bodies by the names of the vendor's API model."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Literal

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from earmark.dialects.chime._names import NAME
from earmark.service import Idempotency, Leg

__all__ = [
    "CreateDomain",
    "CreateProfile",
    "CreateVoiceConnector",
    "Cursor",
    "Limit",
    "PutStreaming",
    "StartSearch",
    "Streaming",
    "TagResource",
    "UntagResource",
    "UpdateDomain",
    "UpdateVoiceConnector",
    "once",
]

Limit = Annotated[int, Query(alias="max-results", ge=1, le=100)]
Cursor = Annotated[str | None, Query(alias="next-token", max_length=1024)]

_Name = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[a-zA-Z0-9 _.\-]+$")]
_Arn = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^arn[/:\-_.a-zA-Z0-9]+$")]
_Token = Annotated[str, Field(min_length=2, max_length=64, pattern=r"^[\-_a-zA-Z0-9]*$")]
_TagKey = Annotated[str, Field(min_length=1, max_length=128)]


def _visible(text: str) -> str:
    if not re.search(r"\S", text) or "\0" in text:
        raise ValueError("it has to have a character that can be seen")
    return text


_Id = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_visible)]


class _Body(BaseModel):
    """Names in PascalCase; what the model does not know is ignored, as newer clients send more."""

    model_config = ConfigDict(alias_generator=to_pascal, strict=True, extra="ignore")


class _Tag(_Body):
    key: _TagKey
    value: Annotated[str, Field(max_length=256)]


_Tags = Annotated[list[_Tag], Field(min_length=1, max_length=50)]


class _Tagged(_Body):
    tags: _Tags | None = None

    def labels(self) -> dict[str, str]:
        """Tag -> value."""
        return {each.key: each.value for each in self.tags or ()}


class UpdateVoiceConnector(_Body):
    """A connector's name, and whether its calls have to be encrypted (which is shown again)."""

    name: _Name
    require_encryption: bool


class CreateVoiceConnector(UpdateVoiceConnector, _Tagged):
    """A new connector."""

    aws_region: Annotated[str, Field(pattern="^[a-z0-9-]{1,64}$")] | None = None
    integration_type: Annotated[str, Field(pattern="^[A-Z_]{1,64}$")] | None = None
    network_type: Literal["IPV4_ONLY", "DUAL_STACK"] = "IPV4_ONLY"


class _Target(_Body):
    notification_target: Literal["EventBridge", "SNS", "SQS"]


class _Insights(_Body):
    disabled: bool | None = None
    configuration_arn: _Arn | None = None


class Streaming(_Body):
    """A streaming configuration, which is shown again as it came."""

    data_retention_in_hours: Annotated[int, Field(ge=0)]
    disabled: bool
    streaming_notification_targets: Annotated[list[_Target], Field(max_length=3)] | None = None
    media_insights_configuration: _Insights | None = None


class PutStreaming(_Body):
    """The body that holds one."""

    streaming_configuration: Streaming


class _Encryption(_Body):
    kms_key_arn: _Arn


class CreateDomain(_Tagged):
    """A new domain of voice profiles."""

    name: _Name
    description: Annotated[str, Field(max_length=1024)] = ""
    server_side_encryption_configuration: _Encryption
    client_request_token: _Token | None = None


class UpdateDomain(_Body):
    """What may be changed of a domain."""

    name: _Name | None = None
    description: Annotated[str, Field(max_length=1024)] | None = None


class CreateProfile(_Body):
    """The task whose voiceprint becomes a profile, or a profile's."""

    speaker_search_task_id: _Id


class StartSearch(_Body):
    """Which side of which call is to be looked for, and where."""

    transaction_id: _Id
    voice_profile_domain_id: _Id
    client_request_token: _Token | None = None
    call_leg: Literal["Caller", "Callee"] = "Caller"

    @property
    def leg(self) -> Leg:
        return Leg(self.call_leg.lower())


class TagResource(_Tagged):
    """Tags for a resource."""

    resource_arn: Annotated[_Arn, Field(alias="ResourceARN")]
    tags: _Tags


class UntagResource(_Body):
    """Tags that are to be removed from a resource."""

    resource_arn: Annotated[_Arn, Field(alias="ResourceARN")]
    tag_keys: Annotated[list[_TagKey], Field(min_length=1, max_length=50)]


def once(operation: str, token: str | None, asked: BaseModel, *where: str) -> Idempotency | None:
    """What a ``ClientRequestToken`` promises: requests of this operation with it are one."""
    if token is None:
        return None
    said = "\n".join([operation, *where, asked.model_dump_json()])
    fingerprint = hashlib.sha256(said.encode()).hexdigest()
    return Idempotency(key=f"{NAME} {operation} {token}", fingerprint=fingerprint)

"""What clients send, as the vendor's OpenAPI describes it.

Null stands for a field that is not there: the vendor's own client sends nulls. Unknown fields are
ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from earmark.errors import FetchError, InvalidInput, NotFound
from earmark.service import JobOptions

__all__ = [
    "MEDIA",
    "DiarizeRequest",
    "MediaRequest",
    "Model",
    "blaming",
    "media_key",
]

MEDIA = "media://"
_MEDIA_URL = re.compile(r"media://([a-zA-Z0-9\-_./]+)")
_MAX_MEDIA_URL = 255
_MAX_SPEAKERS = 2**31 - 1

Model = Literal["precision-2", "precision-1", "community-1"]
"""The vendor's models; here the first two are the accurate engine, the last is the fast one."""


@contextmanager
def blaming(field: str) -> Iterator[None]:
    """Say which field of the request an error is about."""
    try:
        yield
    except (InvalidInput, FetchError, NotFound) as error:
        raise RequestValidationError([{"loc": ("body", field), "msg": str(error)}]) from error


def media_key(url: str) -> str:
    """The key in ``media://key``; raises `InvalidInput`."""
    found = _MEDIA_URL.fullmatch(url)
    if found is None or len(url) > _MAX_MEDIA_URL:
        raise InvalidInput(
            f"A media URL is media:// and letters, digits or -_./, {_MAX_MEDIA_URL} characters"
            f" in all, not {url[:300]!r}."
        )
    return found[1]


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel)


class MediaRequest(_Request):
    """Which media a link is asked for."""

    url: str = Field(description="`media://` and a name of your choice.")


class DiarizeRequest(_Request):
    """A diarization that is asked for."""

    url: str = Field(description="`https://…` or `media://…`")
    webhook: str | None = None
    webhook_status_only: bool | None = None
    model: Model | None = None
    num_speakers: int | None = Field(default=None, ge=1, le=_MAX_SPEAKERS)
    min_speakers: int | None = Field(default=None, ge=1, le=_MAX_SPEAKERS)
    max_speakers: int | None = Field(default=None, ge=1, le=_MAX_SPEAKERS)
    turn_level_confidence: bool | None = None
    exclusive: bool | None = None
    confidence: bool | None = None
    transcription: bool | None = None
    transcription_config: Any = None

    @field_validator("min_speakers")
    @classmethod
    def _at_most_all(cls, least: int | None, info: ValidationInfo) -> int | None:
        count = info.data.get("num_speakers")
        if least is not None and count is not None and least > count:
            raise _wrong(f"minSpeakers {least} is more than numSpeakers {count}: leave one out.")
        return least

    @field_validator("max_speakers")
    @classmethod
    def _at_least_all(cls, most: int | None, info: ValidationInfo) -> int | None:
        for name, value in (
            ("numSpeakers", info.data.get("num_speakers")),
            ("minSpeakers", info.data.get("min_speakers")),
        ):
            if most is not None and value is not None and most < value:
                raise _wrong(f"maxSpeakers {most} is less than {name} {value}: leave one out.")
        return most

    @field_validator("transcription")
    @classmethod
    def _no_transcription(cls, wanted: bool | None) -> bool | None:
        if wanted:
            raise _wrong("This server does not transcribe: leave transcription out.")
        return wanted

    def options(self) -> JobOptions:
        """What the engine is asked. An exact number of speakers stands above the limits."""
        exact = self.num_speakers is not None
        return JobOptions(
            speakers=self.num_speakers,
            min_speakers=None if exact else self.min_speakers,
            max_speakers=None if exact else self.max_speakers,
            fast=self.model == "community-1",
            frame_confidence=bool(self.confidence),
        )


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("earmark", "{message}", {"message": message})

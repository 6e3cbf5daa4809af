"""What clients send, as the vendor's OpenAPI describes it.

Null stands for a field that is not there: the vendor's own client sends nulls. Unknown fields are
ignored.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from earmark.errors import FetchError, InvalidInput, NotFound, VoiceprintError
from earmark.service import IdentifyOptions, JobOptions
from earmark.voiceprints import Voiceprint, require_model

__all__ = [
    "MEDIA",
    "DiarizeRequest",
    "IdentifyRequest",
    "JobRequest",
    "MediaRequest",
    "Model",
    "SpeakersRequest",
    "VoiceprintRequest",
    "blaming",
    "media_key",
]

MEDIA = "media://"
MAX_VOICEPRINT_S = 31.0
MAX_VOICEPRINT_BYTES = 100 << 20
"""Longest and largest recording that a voiceprint is made of: 30 s, and what encoders add."""

MAX_VOICEPRINTS = 50
MAX_VOICEPRINT_LENGTH = 20_000
MAX_LABEL_LENGTH = 100

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


class JobRequest(_Request):
    """What every job is asked with."""

    url: str = Field(description="`https://…` or `media://…`")
    webhook: str | None = None
    webhook_status_only: bool | None = None
    model: Model | None = None

    def options(self) -> JobOptions:
        """What the engine is asked."""
        return JobOptions(fast=self.model == "community-1")

    def render(self) -> dict[str, Any]:
        """What is needed again to show the result."""
        return {
            "model": self.model or "precision-2",
            "webhookStatusOnly": bool(self.webhook_status_only),
        }

    def sealed(self) -> bytes | None:
        """What is kept encrypted with the job."""
        return None


class VoiceprintRequest(JobRequest):
    """A voiceprint that is asked for."""

    def options(self) -> JobOptions:
        """What the engine is asked."""
        return replace(
            super().options(),
            voiceprints=True,
            limit_s=MAX_VOICEPRINT_S,
            limit_bytes=MAX_VOICEPRINT_BYTES,
        )


class SpeakersRequest(JobRequest):
    """How speakers are to be told apart, and what is to be shown of it."""

    num_speakers: int | None = Field(default=None, ge=1, le=_MAX_SPEAKERS)
    min_speakers: int | None = Field(default=None, ge=1, le=_MAX_SPEAKERS)
    max_speakers: int | None = Field(default=None, ge=1, le=_MAX_SPEAKERS)
    turn_level_confidence: bool | None = None
    exclusive: bool | None = None
    confidence: bool | None = None

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

    def options(self) -> JobOptions:
        """What the engine is asked. An exact number of speakers stands above the limits."""
        exact = self.num_speakers is not None
        return replace(
            super().options(),
            speakers=self.num_speakers,
            min_speakers=None if exact else self.min_speakers,
            max_speakers=None if exact else self.max_speakers,
            frame_confidence=bool(self.confidence),
        )

    def render(self) -> dict[str, Any]:
        """What is needed again to show the result."""
        return super().render() | {
            "turnLevelConfidence": bool(self.turn_level_confidence),
            "exclusive": bool(self.exclusive),
            "confidence": bool(self.confidence),
        }


class DiarizeRequest(SpeakersRequest):
    """A diarization that is asked for."""

    transcription: bool | None = None
    transcription_config: Any = None

    @field_validator("transcription")
    @classmethod
    def _no_transcription(cls, wanted: bool | None) -> bool | None:
        if wanted:
            raise _wrong("This server does not transcribe: leave transcription out.")
        return wanted


class SentVoiceprint(_Request):
    """A voiceprint that is sent along, and whose it is."""

    label: str = Field(min_length=1, max_length=MAX_LABEL_LENGTH)
    voiceprint: str = Field(
        max_length=MAX_VOICEPRINT_LENGTH, description="What `/v1/voiceprint` gave.", repr=False
    )

    @field_validator("label")
    @classmethod
    def _not_a_speaker(cls, label: str) -> str:
        if label.casefold().startswith("speaker_"):
            raise _wrong(
                "A label does not begin with speaker_, as the names of those who are not known do:"
                " choose another one."
            )
        return label

    @field_validator("voiceprint")
    @classmethod
    def _can_be_compared(cls, text: str) -> str:
        try:
            require_model(Voiceprint.from_base64(text))
        except VoiceprintError as error:
            raise _wrong(str(error)) from None
        return text


class Matching(_Request):
    """When a speaker is given a label."""

    exclusive: bool | None = None
    threshold: float | None = Field(default=None, ge=0, le=100, allow_inf_nan=False)


class IdentifyRequest(SpeakersRequest):
    """An identification that is asked for."""

    voiceprints: list[SentVoiceprint] = Field(min_length=1, max_length=MAX_VOICEPRINTS)
    matching: Matching | None = None

    @field_validator("voiceprints")
    @classmethod
    def _one_each(cls, sent: list[SentVoiceprint]) -> list[SentVoiceprint]:
        label, times = Counter(each.label for each in sent).most_common(1)[0]
        if times > 1:
            raise _wrong(f"There are {times} voiceprints with the label {label!r}: keep one.")
        return sent

    def options(self) -> JobOptions:
        """What the engine is asked; all candidates are told of. A threshold of 0 takes anybody."""
        matching = self.matching or Matching()
        return replace(
            super().options(),
            voiceprints=True,
            identify=IdentifyOptions(
                exclusive=matching.exclusive is not False,
                false_accept_rate=None,
                # As it is shown, in whole percent: what is told as 100 reaches a threshold of 100.
                confidence=max(0.0, (matching.threshold or 0.0) - 0.5) / 100,
                alternatives=len(self.voiceprints),
            ),
        )

    def sealed(self) -> bytes:
        """The voiceprints, as they are kept encrypted with the job."""
        sent = [each.model_dump() for each in self.voiceprints]
        return json.dumps({"voiceprints": sent}).encode()


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("earmark", "{message}", {"message": message})

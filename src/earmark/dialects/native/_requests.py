"""What may be asked of a recording: the same fields in a form and in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import from_json

from earmark.service import JobOptions, Priority
from earmark.settings import Settings

__all__ = [
    "EXAMPLE_URL",
    "DiarizationForm",
    "DiarizationRequest",
    "JobForm",
    "Moment",
    "Name",
    "PartForm",
    "PeopleForm",
    "Source",
    "VoiceActivityForm",
    "VoiceActivityRequest",
    "WebAddress",
    "Written",
    "canonical",
    "example",
    "parse_form",
    "parse_json",
]

Model = TypeVar("Model", bound=BaseModel)

EXAMPLE_URL = "https://example.com/meeting.wav"


def example(body: dict[str, Any]) -> ConfigDict:
    """The configuration of a request that takes no field that there is not, with an example."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})


Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        examples=["meeting.wav"],
    ),
]
WebAddress = Annotated[
    str,
    Field(
        max_length=2048,
        pattern=r"^https?://[^\x00-\x20\x7f]+$",
        examples=[EXAMPLE_URL],
    ),
]
Moment = Annotated[
    AwareDatetime,
    Field(
        ge=datetime(1900, 1, 1, tzinfo=UTC),
        lt=datetime(3000, 1, 1, tzinfo=UTC),
        examples=["2026-01-31T09:30:00Z"],
    ),
]


def _from_text(value: object) -> object:
    return from_json(value) if isinstance(value, str) else value


Written = BeforeValidator(_from_text)
"""For a field that is no plain value: a form has it as JSON text."""

People = Annotated[int, Field(ge=1, le=1000)]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


def _channels(value: object) -> object:
    """Forms write a list as ``0,1`` or ``[0, 1]``."""
    if isinstance(value, str) and re.fullmatch(r"\[?\s*[0-9]+(\s*,\s*[0-9]+)*\s*\]?", value):
        value = [int(number) for number in re.findall("[0-9]+", value)]
    if isinstance(value, str) and re.fullmatch(r"mix:[0-9]+(,[0-9]+)*", value):
        return value
    numbers = isinstance(value, list) and bool(value) and all(type(each) is int for each in value)
    if not (numbers or value in ("mix", "split")):
        raise ValueError("take 'mix', 'split', channels from 0 such as [0, 1], or 'mix:0,1'")
    return value


Channels = Annotated[
    Literal["mix", "split"]
    | Annotated[str, Field(pattern=r"^mix:[0-9]+(,[0-9]+)*$", max_length=255)]
    | Annotated[list[Annotated[int, Field(ge=0, le=1000)]], Field(min_length=1, max_length=255)],
    BeforeValidator(_channels),
]


class PartForm(BaseModel):
    """What part of a recording is meant."""

    model_config = ConfigDict(extra="forbid")

    channels: Channels = Field(
        default="mix",
        description="`mix`: all channels as one; `split`: each by itself; a list of channels"
        " (from 0): these each by itself; `mix:0,2`: these as one.",
    )
    start: Seconds | None = Field(default=None, description="Where to begin, in seconds.")
    end: Seconds | None = Field(default=None, description="Where to end, in seconds.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.end is not None and (self.start or 0.0) >= self.end:
            raise ValueError(f"start={self.start or 0.0} has to be before end={self.end} (seconds)")
        return self

    @property
    def chosen_channels(self) -> str | tuple[int, ...]:
        """The channels as the engine takes them."""
        return self.channels if isinstance(self.channels, str) else tuple(self.channels)


class JobForm(PartForm):
    """What may be asked of any job."""

    on_damage: Literal["error", "warn"] = Field(
        default="error",
        description="A damaged recording: fail, or analyse what could be read, with a warning.",
    )
    priority: Literal["low", "normal", "high"] = Field(
        default="normal", description="Which of your own waiting jobs goes first."
    )
    name: Name | None = Field(
        default=None, description="What to call the recording; the file's name by default."
    )
    webhook: WebAddress | None = Field(
        default=None, description="The address that is told when the job is over."
    )

    def options(self, settings: Settings) -> JobOptions:  # noqa: ARG002 - others need them
        """What the engine is asked; the settings decide what the request leaves open."""
        return JobOptions(
            channels=self.chosen_channels,
            start=self.start,
            end=self.end,
            tolerate_damage=self.on_damage == "warn",
        )

    def render(self) -> Mapping[str, Any]:
        """What has to be known again when the result is shown."""
        return {}

    def sealed(self) -> bytes | None:
        """What came with the request that must be encrypted (JSON)."""
        return None

    def rank(self) -> Priority:
        return Priority[self.priority.upper()]


class VoiceActivityForm(JobForm):
    """Where is speech?"""


class PeopleForm(JobForm):
    """What may be asked of a recording in which people are told apart."""

    speakers: People | None = Field(default=None, description="How many people speak, exactly.")
    min_speakers: People | None = Field(default=None, description="At least so many people.")
    max_speakers: People | None = Field(default=None, description="At most so many people.")
    fast: bool = Field(default=False, description="A little less accurate, in less time.")

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        least, most = self.min_speakers, self.max_speakers
        if self.speakers is not None and (least is not None or most is not None):
            raise ValueError(
                "speakers is the exact number of speakers; leave min_speakers and max_speakers out"
            )
        if least is not None and most is not None and least > most:
            raise ValueError(f"min_speakers={least} is more than max_speakers={most}")
        return self

    def options(self, settings: Settings) -> JobOptions:
        return replace(
            super().options(settings),
            speakers=self.speakers,
            min_speakers=self.min_speakers,
            max_speakers=self.max_speakers,
            fast=self.fast,
        )


class DiarizationForm(PeopleForm):
    """Who spoke when?"""

    exclusive: bool = Field(
        default=False,
        description="In text formats, one speaker at a time; JSON always holds both sorts of"
        " turns.",
    )
    confidence: bool = Field(
        default=False, description="Put the confidence of every frame into the result."
    )
    searchable: bool | None = Field(
        default=None,
        description="Keep the voiceprints of all who speak, encrypted, so that `GET"
        " /speakers/{speaker_id}/recordings` looks here too; by default as the server is set up.",
    )

    def options(self, settings: Settings) -> JobOptions:
        return replace(
            super().options(settings),
            frame_confidence=self.confidence,
            searchable=settings.searchable if self.searchable is None else self.searchable,
        )

    def render(self) -> Mapping[str, Any]:
        return {"exclusive": True} if self.exclusive else {}


class Source(BaseModel):
    """Where the recording is: exactly one of the two."""

    url: WebAddress | None = Field(default=None, description="An address to fetch it from.")
    media: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="The id of an uploaded recording."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.url is None) == (self.media is None):
            raise ValueError("say where the recording is, by either 'url' or 'media'")
        return self


class DiarizationRequest(DiarizationForm, Source):
    """Who spoke when in a recording that is elsewhere, or here already?"""

    model_config = example({"url": EXAMPLE_URL, "max_speakers": 4})


class VoiceActivityRequest(VoiceActivityForm, Source):
    """Where is speech in a recording that is elsewhere, or here already?"""

    model_config = example({"url": EXAMPLE_URL})


def parse_form(model: type[Model], fields: Mapping[str, str]) -> Model:
    """The fields of a form; numbers and truth values are written as text there."""
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def parse_json(model: type[Model], body: bytes) -> Model:
    """A JSON body, in which a number is no text."""
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def canonical(body: bytes) -> bytes:
    """The same bytes for the same JSON."""
    return json.dumps(json.loads(body), sort_keys=True).encode()

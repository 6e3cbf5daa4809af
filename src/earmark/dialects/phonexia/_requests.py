"""What a client may ask for: query parameters and the ``config`` part, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal, Self

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request

from earmark.dialects._http import idempotency_of
from earmark.errors import InvalidInput
from earmark.service import Idempotency, JobOptions

__all__ = ["DiarizationConfig", "Selection", "SpeechLimit", "missing_file", "promise_of"]

DEFAULT_MAX_SPEAKERS: Final = 100

Count = Annotated[int, Field(gt=0, strict=True)]


class Selection(BaseModel):
    """The query: which channels, and which part of the recording (seconds)."""

    channel_mode: Literal["split", "mix"] = "split"
    channels: Annotated[str, Field(max_length=1000, pattern=r"^([0-9]{1,9}(,[0-9]{1,9})*)?$")] = ""
    range_from: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0
    range_to: Annotated[float | None, Field(gt=0, le=1e9, allow_inf_nan=False)] = None

    @property
    def indices(self) -> tuple[int, ...]:
        """The channels named, each once, in their order in the file; empty for all."""
        return tuple(sorted({int(index) for index in self.channels.split(",") if index}))

    def options(self) -> JobOptions:
        """The same, as the engine takes it."""
        channels: str | tuple[int, ...] = self.indices or self.channel_mode
        if self.channel_mode == "mix" and self.indices:
            channels = f"mix:{','.join(map(str, self.indices))}"
        return JobOptions(
            channels=channels,
            start=self.range_from or None,
            end=self.range_to,
        )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.range_to is not None and self.range_to <= self.range_from:
            raise PydanticCustomError(
                "range.empty",
                "range_to has to be greater than range_from.",
                {"range_from": self.range_from, "range_to": self.range_to},
            )
        return self


class DiarizationConfig(BaseModel):
    """The ``config`` of a diarization; what else it holds is ignored."""

    max_speakers: Count | None = None
    total_speakers: Count | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.max_speakers is not None and self.total_speakers is not None:
            raise PydanticCustomError(
                "config.mutually-exclusive",
                "max_speakers and total_speakers are mutually exclusive: give one of them.",
                {"max_speakers": self.max_speakers, "total_speakers": self.total_speakers},
            )
        return self

    @property
    def most(self) -> int | None:
        """The upper limit of speakers; None where their exact number is known."""
        if self.total_speakers is not None:
            return None
        return self.max_speakers or DEFAULT_MAX_SPEAKERS

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the part; one that is blank is as good as none.

        Raises `InvalidInput` for what is no JSON, a RequestValidationError for what is none of
        these options.
        """
        try:
            return cls.model_validate_json(text if text.strip() else "{}")
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)
        if wrong[0]["type"] == "json_invalid":
            raise InvalidInput(f"The field 'config' is not JSON: {wrong[0]['msg']}.")
        raise RequestValidationError(
            [{**each, "loc": ("body", "config", *each["loc"])} for each in wrong]
        )


class SpeechLimit(BaseModel):
    """The query of a gender identification, beside the `Selection`: seconds of speech."""

    max_speech_length: Annotated[float | None, Field(gt=0, le=1e9, allow_inf_nan=False)] = None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        """Raises a RequestValidationError for what is no length."""
        try:
            return cls.model_validate(query)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**each, "loc": ("query", *each["loc"])} for each in wrong])


def missing_file() -> RequestValidationError:
    """The error of a form without a recording."""
    return _not_valid(("body", "file"), "Field required", "missing")


def promise_of(request: Request, fingerprint: Callable[[], str]) -> Idempotency | None:
    """The promise in the header ``Idempotency-Key``, about a body with this fingerprint.

    Raises a RequestValidationError for a header that cannot be used.
    """
    if "idempotency-key" not in request.headers:
        return None
    query = "&".join(sorted(request.url.query.split("&")))
    try:
        return idempotency_of(request, f"POST {request.url.path}?{query}", fingerprint())
    except InvalidInput as error:
        raise _not_valid(
            ("header", "Idempotency-Key"), str(error), "idempotency.invalid"
        ) from error


def _not_valid(location: tuple[str, ...], message: str, kind: str) -> RequestValidationError:
    return RequestValidationError([{"loc": location, "msg": message, "type": kind}])

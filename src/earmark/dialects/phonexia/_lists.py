"""Requests about lists of voiceprints, as JSON: to compare them, to tell their genders."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Final, Self

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError, to_json

from earmark.dialects.phonexia._errors import dotted
from earmark.errors import InvalidInput, VoiceprintError
from earmark.voiceprints import Voiceprint, require_model

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_LIST",
    "MAX_SCORES",
    "ComparisonRequest",
    "GenderRequest",
    "ListsRequest",
]

MAX_LIST: Final = 50_000
MAX_SCORES: Final = 1_000_000
MAX_BODY_BYTES: Final = 128 << 20
"""Longest body: 50,000 voiceprints and 20 to compare them with are 117 MiB."""

_TOLD: Final = 10  # of the voiceprints that cannot be used

Texts = Annotated[
    list[str], Field(min_length=1, max_length=MAX_LIST, repr=False, fail_fast=True, strict=True)
]


class ListsRequest(BaseModel):
    """Lists of voiceprints (base64), one in each field."""

    @classmethod
    def read(cls, body: bytes | bytearray) -> Self:
        """Read the body and every voiceprint in it.

        Raises `InvalidInput` for what is no JSON, a RequestValidationError for all else.
        """
        try:
            found = cls.model_validate_json(body)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)
            if wrong[0]["type"] == "json_invalid":
                raise InvalidInput(f"The body is not JSON: {wrong[0]['msg']}.") from None
            raise RequestValidationError(
                [{**each, "loc": ("body", *each["loc"])} for each in wrong]
            ) from None
        if unusable := list(islice(_unusable(found), _TOLD)):
            raise RequestValidationError(unusable)
        return found

    def sealed(self) -> bytes:
        """The voiceprints, as they are kept encrypted with the job."""
        return to_json(dict(self))


class ComparisonRequest(ListsRequest):
    """Each voiceprint of the one list is to be compared with each of the other."""

    voiceprints_a: Texts
    voiceprints_b: Texts

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        scores = len(self.voiceprints_a) * len(self.voiceprints_b)
        if scores > MAX_SCORES:
            raise PydanticCustomError(
                "comparison.too-large",
                "These are {scores} comparisons, and {limit} are made at most: send fewer"
                " voiceprints.",
                {"scores": scores, "limit": MAX_SCORES},
            )
        return self

    def sealed(self) -> bytes:
        return to_json({"a": self.voiceprints_a, "b": self.voiceprints_b})


class GenderRequest(ListsRequest):
    """The gender of each voiceprint is to be told."""

    voiceprints: Texts


def _unusable(asked: ListsRequest) -> Iterator[dict[str, Any]]:
    for name, texts in asked:
        for i, text in enumerate(texts):
            try:
                require_model(Voiceprint.from_base64(text))
            except VoiceprintError as error:
                yield {"loc": ("body", name, i), "msg": str(error), "type": dotted(error.code)}

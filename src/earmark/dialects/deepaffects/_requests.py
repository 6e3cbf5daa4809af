"""What clients send.

Fields that are not named here are ignored: the recording says itself how it is encoded and sampled,
and no analysis depends on the language. Null stands for a field that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from earmark.errors import InvalidInput

__all__ = [
    "DeleteRequest",
    "DiarizeRequest",
    "EnrollRequest",
    "IdentifyRequest",
    "Recorded",
    "SpeechRequest",
    "read",
    "read_request_id",
    "read_speaker_id",
    "read_speaker_ids",
]

_SPEAKER_ID: Final = r"^[a-zA-Z0-9_]{1,200}$"
_MOST_SPEAKERS: Final = 100


def _some(count: int) -> int:
    if count == 0:
        raise ValueError("somebody speaks: give -1 when it is not known how many")
    return count


SpeakerId = Annotated[str, Field(pattern=_SPEAKER_ID)]
SpeakerIds = Annotated[tuple[SpeakerId, ...], Field(max_length=_MOST_SPEAKERS)]
Count = Annotated[int, Field(ge=-1, le=2**31 - 1), AfterValidator(_some)]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel)


class DeleteRequest(_Request):
    """Whose enrolment is to be deleted."""

    speaker_id: SpeakerId


class Recorded(_Request):
    """A request about a recording, which is in ``content`` or at ``url``."""

    url: str | None = None


class EnrollRequest(Recorded):
    """Whose voice this is."""

    speaker_id: SpeakerId


class IdentifyRequest(Recorded):
    """Who is looked for."""

    speaker_ids: Annotated[SpeakerIds, Field(min_length=1)]


class DiarizeRequest(Recorded):
    """How many speak (-1: as many as are heard), and who is looked for among them.

    The vendor's package writes ``speakers``, its pages ``speakerCount``.
    """

    speaker_count: Count = Field(
        default=-1, validation_alias=AliasChoices("speakerCount", "speakers")
    )
    speaker_ids: SpeakerIds = ()
    separate_speaker_per_channel: bool = False


class SpeechRequest(Recorded):
    """Silences shorter than ``min_non_speech_duration`` (seconds) count as speech."""

    min_non_speech_duration: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


AnyRequest = TypeVar("AnyRequest", bound=_Request)


def read(model: type[AnyRequest], members: Mapping[str, Any], recording: bool) -> AnyRequest:
    """Read a body; ``recording`` says whether it has one. Raises `InvalidInput`."""
    try:
        asked = model.model_validate({k: v for k, v in members.items() if v is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
            for each in error.errors()
        )
        raise InvalidInput(f"The body cannot be used: {wrong}.") from error
    if isinstance(asked, Recorded) and recording == (asked.url is not None):
        both = "both of them" if recording else "neither"
        raise InvalidInput(f"Exactly one of url and content should be passed, and there is {both}.")
    return asked


def read_speaker_id(text: str | None) -> str:
    """The ``speakerId`` of a query. Raises `InvalidInput`."""
    if text is None or not re.fullmatch(_SPEAKER_ID, text):
        raise InvalidInput(
            f"speakerId has 1 to 200 letters, digits and underscores, not {(text or '')[:300]!r}."
        )
    return text


def read_speaker_ids(text: str) -> tuple[str, ...]:
    """The ``speakerids`` of a call's metadata, separated by commas. Raises `InvalidInput`."""
    found = dict.fromkeys(part for each in text.split(",") if (part := each.strip()))
    if not 1 <= len(found) <= _MOST_SPEAKERS:
        raise InvalidInput(
            f"Name 1 to {_MOST_SPEAKERS} speakers to look for in the metadata speakerids, separated"
            f" by commas, not {len(found)}."
        )
    return tuple(map(read_speaker_id, found))


def read_request_id(text: str | None) -> str | None:
    """The ``request_id`` of a query; None when there is none. Raises `InvalidInput`."""
    if not text:
        return None
    if len(text) > 255 or not text.isprintable():
        raise InvalidInput(f"request_id has at most 255 printable characters, not {text[:300]!r}.")
    return text

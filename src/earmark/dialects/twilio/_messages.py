"""The messages of Media Streams, as far as they matter here.

Their form is Twilio's: "Media Streams: WebSocket Messages" in its documentation of Voice. Fields
that are not named here are ignored, and so are messages of other events.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from earmark.errors import InvalidInput
from earmark.service import Leg

__all__ = ["Media", "Message", "Parameters", "Start", "Track", "parse"]

Track = Literal["inbound", "outbound"]
"""Inbound is what Twilio hears of the call's party, outbound what that party is played."""

Name = Annotated[str, Field(min_length=1, max_length=256)]


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class MediaFormat(_Part):
    """Of all payloads; Twilio sends no other."""

    encoding: Literal["audio/x-mulaw"]
    sample_rate: Literal[8000]
    channels: Literal[1]


class Parameters(BaseModel):
    """The custom parameters: those of the TwiML that started the stream.

    ``inbound`` is whose voice the inbound track is: the caller's in a call that came in. With
    ``after`` a stream that stops ends the call, or leaves it open for other streams.
    """

    connector: Name
    transaction: Name | None = None
    ticket: str | None = None
    key: str | None = None
    inbound: Leg = Leg.CALLER
    after: Literal["end", "keep"] = "end"

    def leg(self, track: Track) -> Leg:
        """Whose voice a track is."""
        other = Leg.CALLEE if self.inbound is Leg.CALLER else Leg.CALLER
        return self.inbound if track == "inbound" else other


class Start(_Part):
    """What a stream is."""

    call_sid: Name
    tracks: list[Track]
    media_format: MediaFormat
    custom_parameters: Parameters


class Media(_Part):
    """Some sound of one track."""

    track: Track
    payload: Base64Bytes


class Message(_Part):
    """One message: its ``event`` names the part that comes with it."""

    event: str
    start: Start | None = None
    media: Media | None = None


def parse(text: str) -> Message:
    """Read a message. Raises `InvalidInput`."""
    try:
        return Message.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the message"
        raise InvalidInput(f"{where} is not as Twilio sends it: {first['msg']}.") from error

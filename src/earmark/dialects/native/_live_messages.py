"""What the server says on a live connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PlainSerializer, TypeAdapter

from earmark.dialects.native._live_requests import FROM_CLIENT
from earmark.live import (
    CloseReason,
    Ended,
    Event,
    Flushed,
    Relabel,
    RelabelReason,
    SpeakerIdentified,
    SpeechEnded,
    SpeechStarted,
    Stats,
    TraitsTold,
    TurnState,
    TurnUpdate,
)
from earmark.traits import TraitKind

__all__ = [
    "FROM_SERVER",
    "ErrorMessage",
    "LiveLimits",
    "PongMessage",
    "StartedMessage",
    "message_schemas",
    "told",
]

Seconds = Annotated[float, PlainSerializer(lambda value: round(value, 3), return_type=float)]
Score = Annotated[float, PlainSerializer(lambda value: round(value, 4), return_type=float)]


class _Message(BaseModel):
    """``received_bytes``: how much sound the server has taken, on all connections."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True, serialize_by_alias=True)

    type: str
    received_bytes: int = 0


class LiveLimits(BaseModel):
    """What the server bears."""

    message_bytes: int = Field(description="Longest message, either way.")
    idle_s: float = Field(description="Seconds without sound after which a session ends.")
    resume_s: float = Field(description="Seconds for which a lost connection can be resumed.")
    longest_s: float = Field(description="Most seconds of sound.")
    backlog_s: float = Field(description="Sound that may wait; more is not read from the network.")
    unread_events: int = Field(description="Events that may wait; with more, the session ends.")


class StartedMessage(_Message):
    """The session is there: send sound, from ``received_bytes`` on."""

    type: Literal["started"] = "started"
    schema_: Literal["earmark.live/1"] = Field(default="earmark.live/1", alias="schema")
    session: str
    token: str | None = Field(description="Resumes the session; null: nothing does.")
    resumed: bool
    limits: LiveLimits


class PongMessage(_Message):
    """An answer to `ping`."""

    type: Literal["pong"] = "pong"
    id: str


class ErrorMessage(BaseModel):
    """Why the connection is closed; the session, if there is one, may be resumed."""

    type: Literal["error"] = "error"
    code: str = Field(description="A stable name for programs; see the list of errors.")
    message: str = Field(description="What was wrong and what to do, for people.")


class _Told(_Message):
    number: int = Field(description="Counts the session's events from 1.")
    at: Seconds = Field(description="Seconds of sound that had been analysed.")


class SpeechStartedMessage(_Told):
    """Somebody speaks, after nobody did."""

    type: Literal["speech_started"] = "speech_started"
    start: Seconds


class SpeechEndedMessage(_Told):
    """Nobody speaks any more."""

    type: Literal["speech_ended"] = "speech_ended"
    end: Seconds


class TurnMessage(_Told):
    """A turn as it is known now; the one of the same ``turn`` with the highest revision counts."""

    type: Literal["turn"] = "turn"
    turn: int
    revision: int
    state: TurnState
    start: Seconds
    end: Seconds
    speaker: str
    name: str | None = Field(description="Who that is; null while nobody knows.")
    going: bool = Field(description="Whether it may still go on.")
    confidence: Score | None


class IdentityPart(BaseModel):
    """An enrolled person."""

    model_config = ConfigDict(from_attributes=True)

    speaker_id: str
    name: str
    cosine: Score
    llr: Score
    probability: Score
    margin: Score | None


class SpeakerIdentifiedMessage(_Told):
    """Who a speaker is; null: nobody known. It comes again when that changes."""

    type: Literal["speaker_identified"] = "speaker_identified"
    speaker: str
    identity: IdentityPart | None
    net_speech_s: Seconds


class RelabelMessage(_Told):
    """All turns of ``from`` since then are those of ``to``: a speaker's other label, or a name."""

    type: Literal["relabel"] = "relabel"
    source: str = Field(validation_alias=AliasChoices("source", "from"), serialization_alias="from")
    target: str = Field(validation_alias=AliasChoices("target", "to"), serialization_alias="to")
    since: Seconds
    reason: RelabelReason


class TraitPart(BaseModel):
    """One answer; confidence and raw values are 0..1."""

    model_config = ConfigDict(from_attributes=True)

    result: str
    confidence: Score
    raw: Mapping[str, Score]


class TraitsMessage(_Told):
    """What was heard in one period."""

    type: Literal["traits"] = "traits"
    start: Seconds
    end: Seconds
    volume: Score
    traits: Mapping[TraitKind, TraitPart]
    speaker: str | None
    speakers: int | None


class StatsMessage(_Told):
    """How the session goes."""

    type: Literal["stats"] = "stats"
    heard: Seconds
    backlog: Seconds
    speech: Seconds
    speakers: int


class FlushedMessage(_Told):
    """All that came before `flush` has been told."""

    type: Literal["flushed"] = "flushed"


class EndedMessage(_Told):
    """The last event."""

    type: Literal["ended"] = "ended"
    reason: CloseReason
    message: str


_TOLD: Mapping[type[Any], type[_Told]] = {
    SpeechStarted: SpeechStartedMessage,
    SpeechEnded: SpeechEndedMessage,
    TurnUpdate: TurnMessage,
    SpeakerIdentified: SpeakerIdentifiedMessage,
    Relabel: RelabelMessage,
    Stats: StatsMessage,
    Flushed: FlushedMessage,
    Ended: EndedMessage,
}

FROM_SERVER: TypeAdapter[BaseModel] = TypeAdapter(
    Annotated[
        StartedMessage
        | PongMessage
        | ErrorMessage
        | SpeechStartedMessage
        | SpeechEndedMessage
        | TurnMessage
        | SpeakerIdentifiedMessage
        | RelabelMessage
        | TraitsMessage
        | StatsMessage
        | FlushedMessage
        | EndedMessage,
        Field(discriminator="type"),
    ]
)


def told(event: Event, received_bytes: int) -> BaseModel:
    """The message of an event."""
    message: _Told
    if isinstance(event, TraitsTold):
        message = TraitsMessage.model_validate(
            {name: getattr(event.report, name) for name in event.report.__slots__}
            | {"number": event.number, "at": event.at}
        )
    else:
        message = _TOLD[type(event)].model_validate(event)
    message.received_bytes = received_bytes
    return message


def message_schemas(ref_template: str) -> dict[str, Any]:
    """JSON schemas by name, for a description of the API."""
    found: dict[str, Any] = {}
    for name, adapter in (("LiveFromClient", FROM_CLIENT), ("LiveFromServer", FROM_SERVER)):
        schema = adapter.json_schema(ref_template=ref_template, mode="serialization")
        found |= schema.pop("$defs", {})
        found[name] = schema
    return found

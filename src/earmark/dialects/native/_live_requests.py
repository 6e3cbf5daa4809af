"""What a client may say on a live connection."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from earmark.audio import Encoding, PcmFormat
from earmark.dialects.native._matching import Ids
from earmark.dialects.native._requests import People
from earmark.live import LiveConfig
from earmark.service import IdentifyOptions
from earmark.traits import TraitKind, TraitOptions

__all__ = [
    "FROM_CLIENT",
    "Acknowledge",
    "Finish",
    "Flush",
    "FromClient",
    "Ping",
    "Resume",
    "Start",
    "parse",
]

Number = Annotated[int, Field(ge=0, le=1 << 53)]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Start(_Said):
    """Begin a session: what sound comes, and what is asked of it."""

    type: Literal["start"]
    encoding: Encoding = Field(default=Encoding.PCM_S16LE, description="Of the raw samples.")
    sample_rate: int = Field(default=16_000, ge=8_000, le=192_000, description="Hz.")
    channels: int = Field(
        default=1, ge=1, le=8, description="Interleaved; all of them are heard as one."
    )
    turns: bool = Field(default=True, description="Tell who speaks when.")
    speakers: People | None = Field(default=None, description="How many people speak, exactly.")
    min_speakers: People | None = None
    max_speakers: People | None = None
    traits: list[TraitKind] = Field(
        default=[], max_length=len(TraitKind), description="What is told of every period."
    )
    period_s: float = Field(
        default=1.024, ge=0.064, le=60, description="The period of the traits, in seconds."
    )
    min_volume: float = Field(
        default=0.0, ge=0, le=1, description="Below this volume (RMS) the traits tell of silence."
    )
    gallery_ids: Ids = Field(default=[], description="Galleries whose people are named.")
    speaker_ids: Ids = Field(default=[], description="Only these people of the galleries.")
    one_to_one: bool = Field(
        default=True, description="Nobody is recognised in two speakers of the session."
    )
    false_accept_rate: Annotated[float, Field(ge=1e-9, le=1)] | None = Field(
        default=0.01,
        description="A name needs a score that a stranger reaches at most this often; null: any"
        " score will do.",
    )
    min_probability: float = Field(
        default=0.0, ge=0, le=1, description="A name needs at least this probability."
    )
    stats_s: float = Field(
        default=10.0, ge=1, le=3600, description="Seconds of sound between two `stats`."
    )
    resumable: bool = Field(
        default=True, description="Go on with the session when the connection was lost."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.speaker_ids and not self.gallery_ids:
            raise ValueError("'speaker_ids' are people of the galleries that 'gallery_ids' names")
        if not self.turns and (self.gallery_ids or not self.traits):
            raise ValueError("ask for 'turns' (and then for galleries), for 'traits', or for both")
        return self

    def config(self) -> LiveConfig:
        """What the engine is asked. Raises `InvalidOption` for what makes no sense."""
        traits = None
        if self.traits:
            traits = TraitOptions(
                kinds=tuple(dict.fromkeys(self.traits)),
                period_s=self.period_s,
                volume_least=self.min_volume,
            )
        return LiveConfig(
            format=PcmFormat(
                encoding=self.encoding, sample_rate=self.sample_rate, channels=self.channels
            ),
            turns=self.turns,
            speakers=self.speakers,
            min_speakers=self.min_speakers,
            max_speakers=self.max_speakers,
            traits=traits,
            stats_s=self.stats_s,
        )

    def identify(self) -> IdentifyOptions | None:
        """Whose names are told; None: nobody's."""
        if not self.gallery_ids:
            return None
        return IdentifyOptions(
            galleries=tuple(self.gallery_ids),
            speakers=tuple(self.speaker_ids),
            exclusive=self.one_to_one,
            false_accept_rate=self.false_accept_rate,
            confidence=self.min_probability,
            alternatives=1,
        )


class Resume(_Said):
    """Go on with a session whose connection was lost."""

    type: Literal["resume"]
    token: Annotated[str, Field(min_length=1, max_length=256)]
    after: Number = Field(description="The number of the last event that was read; 0: none.")


class Acknowledge(_Said):
    """Events up to this number were read, and need not be kept for a resumption."""

    type: Literal["acknowledge"]
    number: Number


class Flush(_Said):
    """Analyse all that has been sent, at once; `flushed` follows."""

    type: Literal["flush"]


class Finish(_Said):
    """No more sound comes; `ended` follows when all of it was analysed."""

    type: Literal["finish"]


class Ping(_Said):
    """Are you there? `pong` follows."""

    type: Literal["ping"]
    id: Annotated[str, Field(max_length=64)] = ""


FromClient: TypeAlias = Start | Resume | Acknowledge | Flush | Finish | Ping

FROM_CLIENT: TypeAdapter[FromClient] = TypeAdapter(
    Annotated[FromClient, Field(discriminator="type")]
)


def parse(text: str) -> FromClient:
    """A message of a client. Raises `pydantic.ValidationError`."""
    return FROM_CLIENT.validate_json(text)

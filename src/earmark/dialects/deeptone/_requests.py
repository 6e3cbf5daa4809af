"""What may be asked, in the query of a stream or of a file's job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from starlette.datastructures import QueryParams

from earmark.audio import PcmFormat
from earmark.dialects.deeptone._names import OFFERED, SPEAKER_MAP, TRAITS
from earmark.errors import InvalidOption
from earmark.live import LiveConfig
from earmark.service import JobOptions
from earmark.traits import TraitOptions

__all__ = ["Asked", "FileAsked", "StreamAsked"]

_STEP_MS: Final = 64
_LONGEST_MS: Final = 60_000
_PERIOD_MS: Final = 1024
_VOLUME: Final = 0.001  # the one of the vendor's own commands
_RATE: Final = 16_000
_MOST_CHANNELS: Final = 1000
_MOST_PERIODS: Final = 100_000  # of a file: its time line is answered in one piece

_WORDS: Final = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Models, and how they answer: every ``period_ms``, a multiple of 64.

    ``raw`` asks for what the results were read from, too. Where the volume is below ``volume``,
    0 to 1, there is silence.
    """

    models: tuple[str, ...]
    period_ms: int
    raw: bool
    volume: float

    @classmethod
    def read(cls, query: QueryParams) -> Self:
        """Raises `InvalidOption` for models that are not offered, and values that cannot be."""
        return cls(**_common(query))

    @property
    def traits(self) -> TraitOptions:
        """The same, as the engine takes it."""
        return TraitOptions(
            kinds=tuple(TRAITS[model][0] for model in self.models if model in TRAITS),
            period_s=self.period_ms / 1000,
            volume_least=self.volume,
        )

    @property
    def turns(self) -> bool:
        """Whether it is asked who speaks."""
        return SPEAKER_MAP in self.models


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamAsked(Asked):
    """What is asked of a stream of so many samples per second.

    ``galleries`` are ids or names: whose people are called by their names.
    """

    rate: int
    galleries: tuple[str, ...]

    @classmethod
    def read(cls, query: QueryParams) -> Self:
        """Raises as `Asked.read`."""
        asked = cls(
            **_common(query),
            rate=_whole(query, "sample_rate", _RATE, "samples per second"),
            galleries=tuple(dict.fromkeys(query.getlist("gallery"))),
        )
        if asked.galleries and not asked.turns:
            raise InvalidOption(
                f"'gallery' names the people of the model {SPEAKER_MAP}: ask for that model too."
            )
        return asked

    @property
    def config(self) -> LiveConfig:
        """The same, as the engine takes it. Raises `InvalidOption` for a rate that cannot be."""
        return LiveConfig(
            format=PcmFormat(sample_rate=self.rate), turns=self.turns, traits=self.traits
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class FileAsked(Asked):
    """What is asked of a file, of one channel or (None) of each by itself."""

    summary: bool
    transitions: bool
    channel: int | None

    @classmethod
    def read(cls, query: QueryParams) -> Self:
        """Raises as `Asked.read`."""
        if "gallery" in query:
            raise InvalidOption(
                "Names of a gallery are told of streams only: identify the speakers of a file with"
                " POST /api/v1/identifications."
            )
        channel = None
        if "channel" in query:
            channel = _whole(query, "channel", 0, "the number of a channel, from 0")
            if channel >= _MOST_CHANNELS:
                raise InvalidOption(f"No recording has a channel {channel}: the first is 0.")
        return cls(
            **_common(query),
            summary=_flag(query, "include_summary"),
            transitions=_flag(query, "include_transitions"),
            channel=channel,
        )

    @property
    def options(self) -> JobOptions:
        """The same, as the engine takes it."""
        return JobOptions(
            channels="split" if self.channel is None else (self.channel,),
            traits=self.traits,
            turns=self.turns,
            limit_s=_MOST_PERIODS * self.period_ms / 1000,
        )

    def document(self) -> dict[str, Any]:
        """A job's ``config``, by the names of the parameters."""
        shown: dict[str, Any] = {
            "models": list(self.models),
            "output_period": self.period_ms,
            "include_summary": self.summary,
            "include_transitions": self.transitions,
            "include_raw_values": self.raw,
            "volume_threshold": self.volume,
        }
        return shown if self.channel is None else {**shown, "channel": self.channel}

    @classmethod
    def of_document(cls, shown: Mapping[str, Any]) -> Self:
        """What `document` wrote."""
        return cls(
            models=tuple(shown["models"]),
            period_ms=shown["output_period"],
            raw=shown["include_raw_values"],
            volume=shown["volume_threshold"],
            summary=shown["include_summary"],
            transitions=shown["include_transitions"],
            channel=shown.get("channel"),
        )


def _common(query: QueryParams) -> dict[str, Any]:
    period = _whole(query, "output_period", _PERIOD_MS, f"a multiple of {_STEP_MS}")
    if period % _STEP_MS or not _STEP_MS <= period <= _LONGEST_MS:
        raise InvalidOption(
            f"'output_period' is a multiple of {_STEP_MS} ms from {_STEP_MS} to"
            f" {_LONGEST_MS // _STEP_MS * _STEP_MS}, not {period}."
        )
    return {
        "models": _models(query),
        "period_ms": period,
        "raw": _flag(query, "include_raw_values"),
        "volume": _volume(query),
    }


def _models(query: QueryParams) -> tuple[str, ...]:
    """Separated by commas, or in several parameters; each once, in their order."""
    offered = ", ".join(OFFERED)
    named = ",".join(query.getlist("models")).split(",")
    models = tuple(dict.fromkeys(name.strip() for name in named if name.strip()))
    if not models:
        raise InvalidOption(f"'models' names what to look for: one or more of {offered}.")
    for model in models:
        if model not in OFFERED:
            raise InvalidOption(
                f"There is no model {model[:100]!r} here. The models offered are {offered}."
            )
    return models


def _whole(query: QueryParams, name: str, default: int, what: str) -> int:
    written = query.get(name)
    if written is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", written):
        raise InvalidOption(f"{name!r} is {what}, not {written[:100]!r}.")
    return int(written)


def _volume(query: QueryParams) -> float:
    written = query.get("volume_threshold")
    if written is None:
        return _VOLUME
    try:
        volume = float(written)
    except ValueError:
        volume = -1.0
    if not 0 <= volume <= 1:
        raise InvalidOption(f"'volume_threshold' is a number from 0 to 1, not {written[:100]!r}.")
    return volume


def _flag(query: QueryParams, name: str) -> bool:
    written = query.get(name)
    if written is None:
        return False
    if written.lower() not in _WORDS:
        raise InvalidOption(f"{name!r} is true or false, not {written[:100]!r}.")
    return _WORDS[written.lower()]

"""The results of jobs about traits, and their JSON documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from earmark.errors import InvalidInput
from earmark.traits._gender import Gender
from earmark.traits._model import Trait, TraitKind, TraitReport

__all__ = ["ChannelGender", "ChannelTraits", "Genders", "TraitSeries"]

_TRAITS: Final = "earmark.traits/1"
_GENDER: Final = "earmark.gender/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelTraits:
    """What was heard on one channel (None: the mix), period by period."""

    channel: int | None
    series: tuple[TraitReport, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TraitSeries:
    """The traits of a recording of ``duration`` seconds, told every ``period_s``.

    Times are seconds of what was analysed, from 0.
    """

    duration: float
    period_s: float
    kinds: tuple[TraitKind, ...]
    channels: tuple[ChannelTraits, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The document ``earmark.traits/1``: times to three decimals, the rest to four."""
        channels = [
            {"channel": each.channel, "series": [_row(report) for report in each.series]}
            for each in self.channels
        ]
        return _document(
            _TRAITS,
            duration=round(self.duration, 3),
            period_s=self.period_s,
            kinds=list(self.kinds),
            warnings=list(self.warnings),
            channels=channels,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Restore what `to_json` wrote. Raises `InvalidInput` for anything else."""
        document = _read(text, _TRAITS)
        return cls(
            duration=document["duration"],
            period_s=document["period_s"],
            kinds=tuple(TraitKind(each) for each in document["kinds"]),
            channels=tuple(
                ChannelTraits(
                    channel=each["channel"], series=tuple(_report(row) for row in each["series"])
                )
                for each in document["channels"]
            ),
            warnings=tuple(document["warnings"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelGender:
    """The gender of the voice on one channel (None: the mix).

    ``gender`` is None when there is too little speech to tell.
    """

    channel: int | None
    speech_s: float
    gender: Gender | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Genders:
    """The genders of a recording of ``duration`` seconds, channel by channel."""

    duration: float
    channels: tuple[ChannelGender, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The document ``earmark.gender/1``; what cannot be told is null and "no_speech"."""
        return _document(
            _GENDER,
            duration=round(self.duration, 3),
            warnings=list(self.warnings),
            channels=[_gender_row(each) for each in self.channels],
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Restore what `to_json` wrote. Raises `InvalidInput` for anything else."""
        document = _read(text, _GENDER)
        return cls(
            duration=document["duration"],
            channels=tuple(
                ChannelGender(
                    channel=row["channel"],
                    speech_s=row["speech_s"],
                    gender=None
                    if row["llr_female"] is None
                    else Gender(
                        llr=row["llr_female"], speech_s=row["speech_s"], result=row["result"]
                    ),
                )
                for row in document["channels"]
            ),
            warnings=tuple(document["warnings"]),
        )


def _gender_row(each: ChannelGender) -> dict[str, Any]:
    gender = each.gender
    return {
        "channel": each.channel,
        "speech_s": round(each.speech_s, 3),
        "female": None if gender is None else round(gender.female, 4),
        "male": None if gender is None else round(1 - round(gender.female, 4), 4),
        "llr_female": None if gender is None else round(gender.llr, 4),
        "result": "no_speech" if gender is None else gender.result,
    }


def _row(report: TraitReport) -> dict[str, Any]:
    return {
        "start": round(report.start, 3),
        "end": round(report.end, 3),
        "volume": round(report.volume, 6),
        "traits": {
            kind.value: {
                "result": trait.result,
                "confidence": round(trait.confidence, 4),
                "raw": {name: round(value, 4) for name, value in trait.raw.items()},
            }
            for kind, trait in report.traits.items()
        },
        "speaker": report.speaker,
        "speakers": report.speakers,
    }


def _report(row: Mapping[str, Any]) -> TraitReport:
    traits = {TraitKind(kind): Trait(**trait) for kind, trait in row["traits"].items()}
    return TraitReport(**{**row, "traits": traits})


def _document(schema: str, **members: object) -> bytes:
    return json.dumps({"schema": schema, **members}, allow_nan=False).encode()


def _read(text: str | bytes, schema: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    if document.get("schema") != schema:
        raise InvalidInput(f"This is no document of schema {schema}: {document.get('schema')!r}.")
    return document

"""The result of voice activity detection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from earmark.diarization import _exports
from earmark.diarization._result import Setting
from earmark.diarization._turn import Turn
from earmark.errors import InvalidInput

__all__ = ["ChannelSpeech", "SpeechActivity"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelSpeech:
    """Where somebody speaks on one channel, which counts from 0 and is None for a mix.

    ``segments`` are (start, end) in seconds of the recording, kept to the millisecond, in order
    and apart from each other. Raises `InvalidInput` for others. ``sounds``, None unless asked for,
    are (start, end, sound), in order and apart: "music" unless somebody talks over it, else
    "speech" as in the segments, else "noise".
    """

    channel: int | None
    segments: tuple[tuple[float, float], ...]
    sounds: tuple[tuple[float, float, str], ...] | None = None

    def __post_init__(self) -> None:
        reach, kept = 0.0, []
        for first, last in self.segments:
            start, end = round(float(first), 3), round(float(last), 3)
            if not (math.isfinite(end) and reach <= start < end):
                raise InvalidInput(
                    f"A segment of speech cannot run from {first} s to {last} s "
                    f"after one that ends at {reach} s."
                )
            reach = end
            kept.append((start, end))
        object.__setattr__(self, "segments", tuple(kept))

    @property
    def speech_s(self) -> float:
        """Seconds of speech, to the millisecond."""
        return round(sum((end - start for start, end in self.segments), 0.0), 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechActivity:
    """Where somebody speaks.

    All times are seconds in the recording's own time line, also when only a part was analysed:
    that part begins at ``start_s``, is ``duration`` seconds long and ends at ``end_s``.
    ``channels`` has an entry for each channel that was analysed, with or without speech. ``uri`` is
    what the exports call the recording. ``models`` (model id -> SHA-256) and ``settings`` say what
    made this result.

    Raises `InvalidInput` when ``duration`` or ``start_s`` is no time, or there is no channel.
    """

    channels: tuple[ChannelSpeech, ...]
    duration: float
    start_s: float = 0.0
    warnings: tuple[str, ...] = ()
    uri: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)

    def __post_init__(self) -> None:
        start, duration = round(float(self.start_s), 3), round(float(self.duration), 3)
        if not (math.isfinite(start) and start >= 0 and math.isfinite(duration) and duration >= 0):
            raise InvalidInput(
                f"Voice activity covers a part of a recording, not {self.duration} s "
                f"from {self.start_s} s."
            )
        if not self.channels:
            raise InvalidInput("Voice activity is that of one channel or more, not of none.")
        for name, value in {
            "channels": tuple(self.channels),
            "start_s": start,
            "duration": duration,
            "warnings": tuple(self.warnings),
            "models": dict(self.models),
            "settings": dict(self.settings),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def end_s(self) -> float:
        """Where the analysed part ends, in seconds of the recording."""
        return round(self.start_s + self.duration, 3)

    def to_json(self, *, compact: bool = False) -> str:
        """The document ``earmark.voice-activity/1``, from which `from_json` restores this result.

        ``compact=True`` writes one line.
        """
        return _exports.speech_document(self, compact=compact)

    def to_rttm(self) -> str:
        """NIST RTTM, one SPEAKER line per segment."""
        return _exports.rttm(self._rows(), uri=self.uri)

    def to_csv(self) -> str:
        """CSV: a header, then start, end, speaker, channel, confidence per segment."""
        return _exports.csv_table(self._rows())

    def to_audacity(self) -> str:
        """An Audacity label track: start, end and label, separated by tabs."""
        return _exports.audacity(self._rows())

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Restore what `to_json` wrote. Raises `InvalidInput` for anything else."""
        return cls(**_exports.parse_speech_document(text))

    def _rows(self) -> list[Turn]:
        """The segments as turns of somebody called SPEECH, for the exports of turns."""
        return sorted(
            Turn(
                start=start,
                end=end,
                speaker="SPEECH" if each.channel is None else f"CH{each.channel}_SPEECH",
                channel=each.channel,
            )
            for each in self.channels
            for start, end in each.segments
        )

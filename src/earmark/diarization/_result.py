"""The result of a diarization."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Self

from earmark.diarization import _exports
from earmark.diarization._chart import Chart, make_chart
from earmark.diarization._confidence import FrameConfidence
from earmark.diarization._turn import Turn, clip, one_at_a_time, sorted_turns, unite
from earmark.errors import InvalidInput, InvalidOption
from earmark.voiceprints import Voiceprint

if TYPE_CHECKING:
    from pyannote.core import Annotation

__all__ = ["Diarization", "Setting"]

Setting = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Diarization:
    """Who spoke when.

    All times are seconds in the recording's own time line, also when only a part was analysed:
    that part begins at ``start_s``, is ``duration`` seconds long (never shorter than up to the
    last turn) and ends at ``end_s``.

    ``turns`` may overlap; ``exclusive`` are the turns with one speaker at a time on each channel.
    ``speakers`` are the names in order of first appearance. ``voiceprints`` maps a speaker to its
    voiceprint, where there was enough clean speech to make one. ``uri`` is what the exports call
    the recording: the file's stem. ``models`` (model id -> SHA-256) and ``settings`` say what
    made this result. ``channels`` are the channels that were split, with or without speech, in
    order; empty for a mix.

    Iterating yields the turns; ``len`` counts them.

    Raises `InvalidInput` when exclusive turns overlap, or a turn begins before ``start_s``.
    """

    turns: tuple[Turn, ...]
    exclusive: tuple[Turn, ...]
    duration: float
    start_s: float = 0.0
    channels: tuple[int, ...] = ()
    voiceprints: Mapping[str, Voiceprint] = field(default_factory=dict)
    confidence: FrameConfidence | None = None
    warnings: tuple[str, ...] = ()
    uri: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    speakers: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        turns, exclusive = sorted_turns(self.turns), sorted_turns(self.exclusive)
        start, duration = round(float(self.start_s), 3), float(self.duration)
        if not (math.isfinite(start) and start >= 0 and math.isfinite(duration) and duration >= 0):
            raise InvalidInput(
                f"A diarization covers a part of a recording, not {self.duration} s "
                f"from {self.start_s} s."
            )
        everything = (*turns, *exclusive)
        if any(turn.start < start for turn in everything):
            raise InvalidInput(f"A turn begins before the analysed part does, at {start} s.")
        last = max((turn.end for turn in everything), default=start)
        _require_no_overlap(exclusive)
        for name, value in {
            "turns": turns,
            "exclusive": exclusive,
            "start_s": start,
            "duration": round(max(duration, last - start), 3),
            "channels": tuple(self.channels),
            "voiceprints": dict(self.voiceprints),
            "warnings": tuple(self.warnings),
            "models": dict(self.models),
            "settings": dict(self.settings),
            "speakers": tuple(dict.fromkeys(turn.speaker for turn in turns)),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def end_s(self) -> float:
        """Where the analysed part ends, in seconds of the recording."""
        return round(self.start_s + self.duration, 3)

    def __repr__(self) -> str:
        return (
            f"<Diarization of {self.uri or 'a recording'}: {len(self.speakers)} speakers, "
            f"{len(self.turns)} turns, {self.start_s:g} s to {self.end_s:g} s>"
        )

    def __iter__(self) -> Iterator[Turn]:
        return iter(self.turns)

    def __len__(self) -> int:
        return len(self.turns)

    def crop(self, start: float, end: float) -> Self:
        """The part from ``start`` to ``end`` (seconds of the recording; times stay as they are).

        Raises `InvalidOption` when that part is empty or lies outside what was analysed.
        """
        first, last = max(start, self.start_s), min(end, self.end_s)
        if not first < last:
            raise InvalidOption(
                f"There is nothing between {start} s and {end} s: "
                f"the analysed part runs from {self.start_s} s to {self.end_s} s."
            )
        turns = clip(self.turns, first, last)
        left = {turn.speaker for turn in turns}
        return replace(
            self,
            turns=turns,
            exclusive=clip(self.exclusive, first, last),
            start_s=first,
            duration=last - first,
            voiceprints={name: vp for name, vp in self.voiceprints.items() if name in left},
            confidence=None if self.confidence is None else self.confidence.crop(first, last),
        )

    def rename(self, names: Mapping[str, str]) -> Self:
        """The same result with other names (old -> new), all changed at once.

        Speakers that end up with one name become one: their turns that touch or overlap are
        joined, and their voiceprints are averaged by net speech. Raises `InvalidOption` for an
        old name that is not in `speakers`, `InvalidInput` for a new one without visible text.
        """
        unknown = sorted(set(names) - set(self.speakers))
        if unknown:
            raise InvalidOption(
                f"There is no speaker {unknown[0]!r} to rename; "
                f"the speakers are {', '.join(self.speakers) or 'none'}."
            )
        heard: dict[str, list[Voiceprint]] = {}
        for name, voiceprint in self.voiceprints.items():
            heard.setdefault(names.get(name, name), []).append(voiceprint)

        def renamed(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
            new = tuple(replace(t, speaker=names.get(t.speaker, t.speaker)) for t in turns)
            merges = len({names.get(name, name) for name in self.speakers}) < len(self.speakers)
            return unite(new) if merges else new

        return replace(
            self,
            turns=renamed(self.turns),
            exclusive=renamed(self.exclusive),
            voiceprints={name: Voiceprint.mean(prints) for name, prints in heard.items()},
        )

    def chart(self) -> Chart:
        """Talk time, overlap and interruptions per speaker and in all (see `Chart`)."""
        return make_chart(self.turns, speakers=self.speakers, duration=self.duration)

    def to_rttm(self, *, exclusive: bool = False) -> str:
        """NIST RTTM, one SPEAKER line per turn."""
        return _exports.rttm(self._rows(exclusive), uri=self.uri)

    def to_json(
        self,
        *,
        compact: bool = False,
        voiceprints: bool = True,
        frame_confidence: bool = False,
    ) -> str:
        """The document ``earmark.diarization/1``, from which `from_json` restores this result.

        ``voiceprints=False`` leaves the biometric data out; ``frame_confidence=True`` puts the
        per-frame confidence in (one number per channel and 16.875 ms). ``compact=True`` writes
        one line.
        """
        return _exports.json_document(
            self, compact=compact, voiceprints=voiceprints, frame_confidence=frame_confidence
        )

    def to_srt(self, *, exclusive: bool = False) -> str:
        """SubRip subtitles: one cue per turn, its text the speaker's name."""
        return _exports.srt(self._rows(exclusive))

    def to_vtt(self, *, exclusive: bool = False) -> str:
        """WebVTT: one cue per turn, a voice span with the speaker's name."""
        return _exports.vtt(self._rows(exclusive))

    def to_csv(self, *, exclusive: bool = False) -> str:
        """CSV: a header, then start, end, speaker, channel, confidence per turn."""
        return _exports.csv_table(self._rows(exclusive))

    def to_textgrid(self, *, exclusive: bool = False) -> str:
        """A Praat TextGrid (long text format): one interval tier per speaker."""
        return _exports.textgrid(self._rows(exclusive), start=self.start_s, end=self.end_s)

    def to_audacity(self, *, exclusive: bool = False) -> str:
        """An Audacity label track: start, end and speaker, separated by tabs."""
        return _exports.audacity(self._rows(exclusive))

    def to_pyannote(self, *, exclusive: bool = False) -> Annotation:
        """A `pyannote.core.Annotation`. Raises `MissingExtra` without that package."""
        return _exports.pyannote(self._rows(exclusive), uri=self.uri)

    @classmethod
    def from_rttm(
        cls,
        source: str | PathLike[str],
        *,
        uri: str | None = None,
        duration: float | None = None,
    ) -> Self:
        """Read RTTM: a path, or the text itself when it holds a line break.

        ``uri`` picks the recording when there are several; ``duration`` is the recording's length
        in seconds (else the last turn's end). Raises `InvalidInput`, naming the line, for
        anything that is not RTTM.
        """
        found, turns, warnings = _exports.parse_rttm(source, uri=uri)
        return cls(
            turns=turns,
            exclusive=one_at_a_time(turns),
            duration=duration or 0.0,
            uri=found,
            warnings=warnings,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Restore what `to_json` wrote. Raises `InvalidInput` for anything else."""
        return cls(**_exports.parse_json_document(text))

    def _rows(self, exclusive: bool) -> tuple[Turn, ...]:
        return self.exclusive if exclusive else self.turns


def _require_no_overlap(exclusive: tuple[Turn, ...]) -> None:
    reach: dict[int | None, float] = {}
    for turn in exclusive:
        if turn.start < reach.get(turn.channel, 0.0):
            raise InvalidInput(f"The exclusive turns overlap at {turn.start} s.")
        reach[turn.channel] = turn.end

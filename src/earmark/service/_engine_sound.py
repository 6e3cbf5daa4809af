"""What an engine process answers about the sound of a recording: speech, traits, gender."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from earmark.audio import Audio
from earmark.diarization import Diarization, Diarizer, Progress, SpeechActivity, Turn
from earmark.traits import (
    SoundSpan,
    TraitKind,
    TraitModels,
    TraitOptions,
    TraitReport,
    TraitSeries,
    read_gender,
    read_sounds,
    read_traits,
)

__all__ = ["AboutSound"]

_GUESS_S = 3600.0  # length at which a recording of unknown length is half-way
_FIRST = 0.6  # share of the work that the diarizer's reading is, where the sound is read again
_TAGS = {"music": "music", "other": "noise"}  # speech is found as everywhere else

Opened = Callable[[], Audio]
OnShare = Callable[[float], object]


@dataclass(frozen=True, slots=True, eq=False)
class AboutSound:
    """Answers with the networks of a process; those of traits are loaded when first needed."""

    diarizer: Diarizer
    models: Callable[[], TraitModels]
    executor: Executor

    def answer(
        self,
        job: str,
        opened: Opened,
        options: Mapping[str, Any],
        *,
        uri: str | None,
        on_share: OnShare,
    ) -> tuple[bytes, float]:
        """The document of a "voice-activity", "traits" or "gender" job, and the seconds it covers.

        Raises what reading raises.
        """
        if job == "voice-activity":
            speech = self._speech(opened, uri, on_share, sounds=options["sounds"])
            return speech.to_json(compact=True).encode(), speech.duration
        if job == "gender":
            with opened() as audio:
                genders = read_gender(
                    self.models(),
                    audio,
                    speech_s=options["speech_s"],
                    executor=self.executor,
                    on_time=_shares(audio, on_share),
                )
            return genders.to_json(), genders.duration
        series = self._traits(opened, options, on_share)
        return series.to_json(), series.duration

    def _speech(
        self, opened: Opened, uri: str | None, on_share: OnShare, *, sounds: bool
    ) -> SpeechActivity:
        part = _FIRST if sounds else 1.0
        with opened() as audio:
            speech = self.diarizer.detect_speech_stream(
                audio, uri=uri, on_progress=_progress(on_share, part)
            )
        if not sounds:
            return speech
        with opened() as audio:
            spans = read_sounds(
                self.models(),
                audio,
                executor=self.executor,
                on_time=_shares(audio, on_share, start=part),
            )
        return replace(
            speech,
            channels=tuple(
                replace(each, sounds=tuple(_tagged(each.segments, own, speech.start_s)))
                for each, own in zip(speech.channels, spans, strict=True)
            ),
        )

    def _traits(self, opened: Opened, options: Mapping[str, Any], on_share: OnShare) -> TraitSeries:
        part, diarization = 0.0, None
        if options["turns"]:
            part = _FIRST
            with opened() as audio:
                diarization = self.diarizer.diarize_stream(
                    audio,
                    speakers=options["speakers"],
                    min_speakers=options["min_speakers"],
                    max_speakers=options["max_speakers"],
                    on_progress=_progress(on_share, part),
                )
        with opened() as audio:
            series = read_traits(
                self.models(),
                audio,
                _trait_options(options["traits"]),
                executor=self.executor,
                on_time=_shares(audio, on_share, start=part),
            )
        return series if diarization is None else _with_speakers(series, diarization)


def _trait_options(options: Mapping[str, Any]) -> TraitOptions:
    return TraitOptions(**{**options, "kinds": tuple(TraitKind(each) for each in options["kinds"])})


def _progress(on_share: OnShare, part: float) -> Callable[[Progress], None]:
    def told(progress: Progress) -> None:
        on_share(part * progress.fraction)

    return told


def _shares(audio: Audio, on_share: OnShare, *, start: float = 0.0) -> Callable[[float], None]:
    length = audio.duration_hint

    def told(seconds: float) -> None:
        done = seconds / length if length else seconds / (seconds + _GUESS_S)
        on_share(start + (1 - start) * min(1.0, done))

    return told


def _tagged(
    segments: Sequence[tuple[float, float]], spans: Sequence[SoundSpan], start_s: float
) -> list[tuple[float, float, str]]:
    """What is heard where: music unless somebody talks over it, else speech as in the segments.

    Other sound is noise. ``start_s`` is where the spans begin to count.
    """
    spoken = deque(segments)
    heard = deque((round(s.start + start_s, 3), round(s.end + start_s, 3), s.sound) for s in spans)
    edges = {edge for first, last in segments for edge in (first, last)}
    edges.update(edge for first, last, _ in heard for edge in (first, last))
    found: list[tuple[float, float, str]] = []
    for start, end in pairwise(sorted(edges)):
        while spoken and spoken[0][1] <= start:
            spoken.popleft()
        while heard and heard[0][1] <= start:
            heard.popleft()
        sound = heard[0][2] if heard and heard[0][0] <= start else "silence"
        if sound != "music" and spoken and spoken[0][0] <= start:
            tag = "speech"
        elif sound in _TAGS:
            tag = _TAGS[sound]
        else:
            continue
        if found and found[-1][1:] == (start, tag):
            found[-1] = (found[-1][0], end, tag)
        else:
            found.append((start, end, tag))
    return found


def _with_speakers(series: TraitSeries, diarization: Diarization) -> TraitSeries:
    """The reports with who speaks most of each, and how many have spoken so far."""
    return replace(
        series,
        channels=tuple(
            replace(
                each,
                series=tuple(
                    _told(
                        each.series,
                        [turn for turn in diarization.turns if turn.channel == each.channel],
                        diarization.start_s,
                    )
                ),
            )
            for each in series.channels
        ),
    )


def _told(
    reports: Sequence[TraitReport], turns: Sequence[Turn], start_s: float
) -> Iterator[TraitReport]:
    """The reports with the speakers of ``turns``, which are ordered by their start."""
    coming, going = deque(turns), list[Turn]()
    for report in reports:
        start, end = start_s + report.start, start_s + report.end
        while coming and coming[0].start < end:
            going.append(coming.popleft())
        going = [turn for turn in going if turn.end > start]
        talk: dict[str, float] = {}
        for turn in going:
            shared = min(end, turn.end) - max(start, turn.start)
            talk[turn.speaker] = talk.get(turn.speaker, 0.0) + shared
        speaker = max(sorted(talk), key=talk.__getitem__, default=None)
        yield replace(report, speaker=speaker, speakers=len(talk))

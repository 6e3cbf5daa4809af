"""Traits of a whole recording, channel by channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE, Audio
from earmark.models import Asking, answer_alone
from earmark.traits._model import Trait, TraitKind, TraitOptions, TraitReport
from earmark.traits._models import TraitModels
from earmark.traits._results import ChannelGender, ChannelTraits, Genders, TraitSeries
from earmark.traits._tracker import TraitTracker
from earmark.traits._whole import WholeVoice

__all__ = ["SoundSpan", "read_gender", "read_sounds", "read_traits"]

Float = NDArray[np.float32]
OnTime = Callable[[float], object]
"""Told how many seconds have been analysed; what it raises ends the work."""

_HOP = 65_536  # samples: nobody waits for what a recording holds
_GRAIN_S = 0.256  # of spans of sound
_SHORTEST_S = 0.5  # shorter spans are taken for what is around them


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundSpan:
    """``sound`` ("speech", "music", "other" or "silence") from ``start`` to ``end`` seconds."""

    start: float
    end: float
    sound: str


def read_traits(
    models: TraitModels,
    audio: Audio,
    options: TraitOptions,
    *,
    executor: Executor,
    on_time: OnTime = lambda _: None,
) -> TraitSeries:
    """The traits of an opened recording, which is read to its end. Raises what reading raises."""
    trackers = [TraitTracker(models, options, hop=_HOP) for _ in audio.channels]
    series: list[list[TraitReport]] = [[] for _ in trackers]
    length = 0

    def run(works: Sequence[Asking[list[TraitReport]]]) -> None:
        under_way = [executor.submit(answer_alone, work, models.networks) for work in works]
        for own, future in zip(series, under_way, strict=True):
            own += future.result()

    for block in audio:
        run([each.step(samples) for each, samples in zip(trackers, block, strict=True)])
        length += block.shape[1]
        on_time(length / SAMPLE_RATE)
    run([each.finish() for each in trackers])
    return TraitSeries(
        duration=length / SAMPLE_RATE,
        period_s=options.period_s,
        kinds=options.kinds,
        channels=tuple(
            ChannelTraits(channel=channel, series=tuple(own))
            for channel, own in zip(audio.channels, series, strict=True)
        ),
        warnings=audio.warnings,
    )


def read_gender(
    models: TraitModels,
    audio: Audio,
    *,
    speech_s: float | None = None,
    executor: Executor,
    on_time: OnTime = lambda _: None,
) -> Genders:
    """The gender on each channel of an opened recording, of ``speech_s`` seconds of speech at most.

    Raises what reading raises.
    """
    voices = [WholeVoice(models, speech_s) for _ in audio.channels]
    length = 0
    for block in audio:
        works = [
            executor.submit(answer_alone, each.step(samples), models.networks)
            for each, samples in zip(voices, block, strict=True)
        ]
        for work in works:
            work.result()
        length += block.shape[1]
        on_time(length / SAMPLE_RATE)
    ends = [executor.submit(answer_alone, each.finish(), models.networks) for each in voices]
    return Genders(
        duration=length / SAMPLE_RATE,
        channels=tuple(
            ChannelGender(channel=channel, speech_s=voice.speech_s, gender=end.result())
            for channel, voice, end in zip(audio.channels, voices, ends, strict=True)
        ),
        warnings=audio.warnings,
    )


def read_sounds(
    models: TraitModels,
    audio: Audio,
    *,
    executor: Executor,
    on_time: OnTime = lambda _: None,
) -> tuple[tuple[SoundSpan, ...], ...]:
    """What is heard on each channel of an opened recording, without gaps. Reading may raise."""
    options = TraitOptions(kinds=(TraitKind.SPEECH_RT,), period_s=_GRAIN_S)
    found = read_traits(models, audio, options, executor=executor, on_time=on_time)
    return tuple(_spans(each.series) for each in found.channels)


def _spans(series: Sequence[TraitReport]) -> tuple[SoundSpan, ...]:
    spans: list[SoundSpan] = []
    for report in series:
        sound = _of(report).result
        if spans and spans[-1].sound == sound:
            spans[-1] = replace(spans[-1], end=report.end)
        elif len(spans) > 1 and spans[-1].end - spans[-1].start < _SHORTEST_S:
            short = spans.pop()
            if spans[-1].sound == sound:
                spans[-1] = replace(spans[-1], end=report.end)
            else:
                spans[-1] = replace(spans[-1], end=short.end)
                spans.append(SoundSpan(start=report.start, end=report.end, sound=sound))
        else:
            spans.append(SoundSpan(start=report.start, end=report.end, sound=sound))
    return tuple(spans)


def _of(report: TraitReport) -> Trait:
    return report.traits[TraitKind.SPEECH_RT]

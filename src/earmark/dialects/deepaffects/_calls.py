"""The analyses: what each call takes, and what is asked of the engine for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from earmark.dialects.deepaffects._people import People
from earmark.dialects.deepaffects._render import response
from earmark.dialects.deepaffects._requests import (
    DiarizeRequest,
    IdentifyRequest,
    Recorded,
    SpeechRequest,
)
from earmark.errors import AudioTooLarge
from earmark.service import (
    Caller,
    IdentifyOptions,
    JobKind,
    JobOptions,
    Media,
    Service,
    identify_speakers,
)

__all__ = ["CALLS", "SYNC_S", "Call", "Order", "answer"]

SYNC_S: Final = 120.0
"""Seconds of audio that a synchronous call takes at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What is asked of the engine; ``shown`` is what its answer is rendered with."""

    kind: JobKind
    options: JobOptions
    shown: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One analysis: its path, what its body looks like, and what is asked for it."""

    path: str
    model: type[Recorded]
    order: Callable[[Any, People], Order]


def _identify(asked: IdentifyRequest, people: People) -> Order:
    return _named(JobOptions(), {"call": "identify"}, asked.speaker_ids, people)


def _diarize(asked: DiarizeRequest, people: People) -> Order:
    options = JobOptions(
        speakers=None if asked.speaker_count == -1 else asked.speaker_count,
        channels="split" if asked.separate_speaker_per_channel else "mix",
    )
    shown = {"call": "diarize", "counted": options.speakers is None, "speakers": {}}
    if asked.speaker_ids:
        return _named(options, shown, asked.speaker_ids, people)
    return Order(kind=JobKind.DIARIZE, options=options, shown=shown)


def _speech(asked: SpeechRequest, _: People) -> Order:
    return Order(
        kind=JobKind.VOICE_ACTIVITY,
        options=JobOptions(sounds=True),
        shown={"call": "vad", "gap": asked.min_non_speech_duration},
    )


def _named(
    options: JobOptions, shown: Mapping[str, Any], speaker_ids: tuple[str, ...], people: People
) -> Order:
    gallery_id, wanted = people.wanted(speaker_ids)
    identify = IdentifyOptions(galleries=(gallery_id,), speakers=tuple(wanted))
    return Order(
        kind=JobKind.IDENTIFY,
        options=replace(options, voiceprints=True, identify=identify),
        shown={**shown, "speakers": wanted},
    )


CALLS: Final = (
    Call(path="/diarization/identify", model=IdentifyRequest, order=_identify),
    Call(path="/diarize", model=DiarizeRequest, order=_diarize),
    Call(path="/vad", model=SpeechRequest, order=_speech),
)


def answer(service: Service, caller: Caller, order: Order, media: Media) -> dict[str, Any]:
    """Analyse a recording at once. Raises `AudioTooLarge` beyond `SYNC_S`, and as the analyst."""
    try:
        if order.kind is JobKind.VOICE_ACTIVITY:
            heard = service.analyst.speech(media, options=order.options, limit_s=SYNC_S)
            return response(order.shown, heard)
        result = service.analyst.listen(media, options=order.options, limit_s=SYNC_S)
    except AudioTooLarge as error:
        raise AudioTooLarge(f"{error} Use the asynchronous call for longer recordings.") from error
    if order.options.identify is None:
        return response(order.shown, result)
    asked = order.options.identify
    return response(order.shown, identify_speakers(service.search, caller, result, asked))

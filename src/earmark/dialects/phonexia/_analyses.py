"""Calls about a recording: who speaks when, and where somebody speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final, Literal

from phonexia.grpc.technologies.speaker_diarization.v1 import (
    speaker_diarization_pb2 as diarization_pb,
)
from phonexia.grpc.technologies.speaker_diarization.v1.speaker_diarization_pb2_grpc import (
    SpeakerDiarizationServicer,
)
from phonexia.grpc.technologies.voice_activity_detection.v1 import (
    voice_activity_detection_pb2 as activity_pb,
)
from phonexia.grpc.technologies.voice_activity_detection.v1 import (
    voice_activity_detection_pb2_grpc as activity_grpc,
)

from earmark.dialects._grpc import Context, admit, refusing
from earmark.dialects.phonexia._durations import duration, part_of
from earmark.dialects.phonexia._requests import DEFAULT_MAX_SPEAKERS
from earmark.dialects.phonexia._sound import first_of, kept_sound, patiently
from earmark.dialects.phonexia._waiting import Question, answer
from earmark.diarization import Diarization, SpeechActivity
from earmark.errors import InvalidOption
from earmark.service import Analyst, JobKind, JobOptions, Media, Scope, Service

__all__ = ["SpeakerDiarization", "VoiceActivityDetection", "speech_in"]

SHORTEST_S: Final = 0.8
"""In less audio than this nothing is found."""


class SpeakerDiarization(SpeakerDiarizationServicer):
    """Who speaks when."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def Diarize(
        self, request_iterator: AsyncIterator[diarization_pb.DiarizeRequest], context: Context
    ) -> diarization_pb.DiarizeResponse:
        """Answer when all audio is there."""
        service = self._service
        async with refusing(context):
            caller = await admit(service, context, "phonexia Diarize", Scope.JOBS, anonymous=True)
            requests = patiently(request_iterator)
            first = await first_of(requests)
            question = _turns_in(first)
            async with kept_sound(service, caller, first, requests) as sound:
                return _turns_response(await answer(service, caller, sound, question))


class VoiceActivityDetection(activity_grpc.VoiceActivityDetectionServicer):
    """Where somebody speaks."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def Detect(
        self, request_iterator: AsyncIterator[activity_pb.DetectRequest], context: Context
    ) -> activity_pb.DetectResponse:
        """Answer when all audio is there."""
        service = self._service
        async with refusing(context):
            caller = await admit(service, context, "phonexia Detect", Scope.JOBS, anonymous=True)
            requests = patiently(request_iterator)
            first = await first_of(requests)
            question = speech_in(*part_of(first.audio.time_range))
            async with kept_sound(service, caller, first, requests) as sound:
                return _speech_response(await answer(service, caller, sound, question))


def speech_in(start: float | None, end: float | None) -> Question[SpeechActivity]:
    """Where somebody speaks between these seconds of a recording (None: its start, its end)."""

    def at_once(
        analyst: Analyst, media: Media, options: JobOptions, limit_s: float
    ) -> SpeechActivity:
        return analyst.speech(media, options=options, limit_s=limit_s)

    return Question(
        kind=JobKind.VOICE_ACTIVITY,
        options=JobOptions(start=start, end=end),
        at_once=at_once,
        read=SpeechActivity.from_json,
    )


def _turns_in(first: diarization_pb.DiarizeRequest) -> Question[Diarization]:
    """Raises `InvalidOption` for numbers of people that cannot be, and a part without length."""

    def at_once(analyst: Analyst, media: Media, options: JobOptions, limit_s: float) -> Diarization:
        return analyst.listen(media, options=options, limit_s=limit_s)

    start, end = part_of(first.audio.time_range)
    exact = _people(first.config, "total_speakers")
    most = None if exact is not None else _people(first.config, "max_speakers")
    return Question(
        kind=JobKind.DIARIZE,
        options=JobOptions(
            speakers=exact,
            max_speakers=None if exact is not None else most or DEFAULT_MAX_SPEAKERS,
            start=start,
            end=end,
        ),
        at_once=at_once,
        read=Diarization.from_json,
    )


def _people(
    config: diarization_pb.DiarizeConfig, name: Literal["max_speakers", "total_speakers"]
) -> int | None:
    if not config.HasField(name):
        return None
    number: int = getattr(config, name)
    if number <= 0:
        raise InvalidOption(f"{name} is {number}: it is a number of people, from 1 up.")
    return number


def _turns_response(found: Diarization) -> diarization_pb.DiarizeResponse:
    turns = found.turns if found.duration >= SHORTEST_S else ()
    ids = {speaker: number for number, speaker in enumerate(found.speakers if turns else ())}
    return diarization_pb.DiarizeResponse(
        speakers_count=len(ids),
        segments=[
            diarization_pb.Segment(
                speaker_id=ids[turn.speaker],
                start_time=duration(turn.start),
                end_time=duration(turn.end),
            )
            for turn in turns
        ],
        processed_audio_length=duration(found.duration),
        speech_length=duration(found.chart().speech if turns else 0.0),
    )


def _speech_response(found: SpeechActivity) -> activity_pb.DetectResponse:
    (mixed,) = found.channels
    heard = mixed if found.duration >= SHORTEST_S else replace(mixed, segments=())
    return activity_pb.DetectResponse(
        speech_length=duration(heard.speech_s),
        segments=[
            activity_pb.Segment(
                type=activity_pb.Segment.VOICE, start_time=duration(start), end_time=duration(end)
            )
            for start, end in heard.segments
        ],
        processed_audio_length=duration(found.duration),
    )

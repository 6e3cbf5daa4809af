"""Calls that make a voiceprint of a recording."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from phonexia.grpc.common.core_pb2 import Vector
from phonexia.grpc.common.core_pb2 import Voiceprint as PortableVoiceprint
from phonexia.grpc.technologies.gender_identification.v1.gender_identification_pb2 import (
    IdentifyConfig,
)
from phonexia.grpc.technologies.speaker_identification.v1.speaker_identification_pb2 import (
    ExtractConfig,
    ExtractRequest,
    ExtractResponse,
    ExtractResult,
)
from phonexia.grpc.technologies.speaker_identification.v1.speaker_identification_pb2_grpc import (
    VoiceprintExtractionServicer,
)

from earmark.dialects._grpc import Context, admit, refusing
from earmark.dialects.phonexia._analyses import speech_in
from earmark.dialects.phonexia._durations import duration, part_of, seconds
from earmark.dialects.phonexia._sound import first_of, kept_sound, patiently
from earmark.dialects.phonexia._waiting import Question, answer
from earmark.diarization import SpeechActivity, one_voice
from earmark.errors import InvalidOption
from earmark.service import Analyst, JobKind, JobOptions, Media, Scope, Service, Voices
from earmark.voiceprints import Voiceprint

__all__ = ["VoiceprintExtraction", "speech_limit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Voice:
    """The voice of a recording of so many seconds."""

    voiceprint: Voiceprint
    duration_s: float


class VoiceprintExtraction(VoiceprintExtractionServicer):
    """The voiceprint of whoever speaks in a recording."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def Extract(
        self, request_iterator: AsyncIterator[ExtractRequest], context: Context
    ) -> ExtractResponse:
        """Answer when all audio is there."""
        service = self._service
        async with refusing(context):
            caller = await admit(service, context, "phonexia Extract", Scope.JOBS, anonymous=True)
            requests = patiently(request_iterator)
            first = await first_of(requests)
            start, end = part_of(first.audio.time_range)
            most_s = speech_limit(first.config)
            async with kept_sound(service, caller, first, requests) as sound:
                if most_s is not None:
                    heard = await answer(service, caller, sound, speech_in(start, end))
                    end = _end_of(heard, most_s) or end
                voice = await answer(service, caller, sound, _voice_in(start, end))
        return _response(voice, vector=first.config.enable_vector_voiceprint)


def speech_limit(config: ExtractConfig | IdentifyConfig) -> float | None:
    """How much speech is to be used at most, in seconds; None: all of it.

    Raises `InvalidOption` for none at all.
    """
    if not config.HasField("speech_length"):
        return None
    most_s = seconds(config.speech_length, "speech_length")
    if most_s == 0:
        raise InvalidOption("speech_length is 0 s: leave it out, or ask for some speech.")
    return most_s


def _voice_in(start: float | None, end: float | None) -> Question[_Voice]:
    """The voice between these seconds of a recording, whoever speaks there."""
    return Question(
        kind=JobKind.VOICEPRINT,
        options=JobOptions(speakers=1, voiceprints=True, start=start, end=end),
        at_once=_voice_at_once,
        read=_voice_of_job,
    )


def _voice_at_once(analyst: Analyst, media: Media, options: JobOptions, limit_s: float) -> _Voice:
    found = analyst.listen(media, options=options, limit_s=limit_s)
    _, voiceprint = one_voice(found, refuse_others=False)
    return _Voice(voiceprint=voiceprint, duration_s=found.duration)


def _voice_of_job(document: bytes) -> _Voice:
    found = Voices.from_json(document)
    return _Voice(voiceprint=found.voices[0].voiceprint, duration_s=found.duration_s)


def _end_of(heard: SpeechActivity, speech_s: float) -> float | None:
    """Where so many seconds of speech have been heard; None: there is less."""
    for start, end in heard.channels[0].segments:
        if end - start >= speech_s:
            return start + speech_s
        speech_s -= end - start
    return None


def _response(voice: _Voice, *, vector: bool) -> ExtractResponse:
    result = ExtractResult(
        speech_length=duration(voice.voiceprint.net_speech_s),
        voiceprint=PortableVoiceprint(content=voice.voiceprint.to_bytes()),
        vector_voiceprint=Vector(values=voice.voiceprint.vector) if vector else None,
    )
    return ExtractResponse(result=result, processed_audio_length=duration(voice.duration_s))

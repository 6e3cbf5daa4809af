"""Calls about gender: of the voice in a recording, or of voiceprints."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from phonexia.grpc.common.core_pb2 import Voiceprint as PortableVoiceprint
from phonexia.grpc.technologies.gender_identification.v1.gender_identification_pb2 import (
    IdentifyRequest,
    IdentifyResponse,
    IdentifyResult,
    Score,
)
from phonexia.grpc.technologies.gender_identification.v1.gender_identification_pb2_grpc import (
    GenderIdentificationServicer,
)

from earmark.dialects._grpc import Context, admit, refusing, run_sync
from earmark.dialects.phonexia._durations import duration, part_of
from earmark.dialects.phonexia._extraction import speech_limit
from earmark.dialects.phonexia._sound import first_of, kept_sound, patiently
from earmark.dialects.phonexia._voiceprints import read_prints
from earmark.dialects.phonexia._waiting import Question, answer
from earmark.errors import InvalidInput
from earmark.service import Analyst, JobKind, JobOptions, Media, Scope, Service
from earmark.traits import Gender, Genders, gender_of

__all__ = ["GenderIdentification"]

_PORTABLE: Final = b"EMVP"
"""How voiceprints begin that `Voiceprint.to_bytes` writes; no recording begins so."""


class GenderIdentification(GenderIdentificationServicer):
    """What a voice sounds like."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def Identify(
        self, request_iterator: AsyncIterator[IdentifyRequest], context: Context
    ) -> AsyncIterator[IdentifyResponse]:
        """Answer each request that brings voiceprints, or once when all audio is there."""
        service = self._service
        async with refusing(context):
            caller = await admit(service, context, "phonexia Identify", Scope.JOBS, anonymous=True)
            requests = patiently(request_iterator)
            first = await first_of(requests)
            if _prints_in(first):
                async for response in _of_prints(first, requests):
                    yield response
            else:
                question = _gender_in(first)
                rest = _only_sound(requests)
                async with kept_sound(service, caller, first, rest) as sound:
                    found = await answer(service, caller, sound, question)
                yield _sound_response(found)


def _gender_in(first: IdentifyRequest) -> Question[Genders]:
    """Raises `InvalidOption` for a part or an amount of speech that cannot be."""

    def at_once(analyst: Analyst, media: Media, options: JobOptions, limit_s: float) -> Genders:
        return analyst.gender(media, options=options, limit_s=limit_s)

    start, end = part_of(first.audio.time_range)
    return Question(
        kind=JobKind.GENDER,
        options=JobOptions(start=start, end=end, speech_s=speech_limit(first.config)),
        at_once=at_once,
        read=Genders.from_json,
    )


async def _only_sound(requests: AsyncIterator[IdentifyRequest]) -> AsyncIterator[IdentifyRequest]:
    """The requests. Raises `InvalidInput` for one that brings voiceprints."""
    async for request in requests:
        if request.voiceprints:
            raise InvalidInput("The call began with audio: ask about voiceprints in another one.")
        yield request


async def _of_prints(
    first: IdentifyRequest, rest: AsyncIterator[IdentifyRequest]
) -> AsyncIterator[IdentifyResponse]:
    """One answer to each request. Raises `VoiceprintError`, and `InvalidInput` for audio."""
    yield IdentifyResponse(results=await run_sync(_results, first, 0))
    known = len(_prints_in(first))
    async for request in rest:
        if not _prints_in(request):
            raise InvalidInput("The call began with voiceprints: ask about audio in another one.")
        yield IdentifyResponse(results=await run_sync(_results, request, known))
        known += len(_prints_in(request))


def _results(request: IdentifyRequest, before: int) -> list[IdentifyResult]:
    prints = read_prints(_prints_in(request), "voiceprints", before)
    return [_result(gender_of(each)) for each in prints]


def _prints_in(request: IdentifyRequest) -> Sequence[PortableVoiceprint]:
    """The voiceprints of a request, also where a client has taken one for audio."""
    content = request.audio.content
    if content.startswith(_PORTABLE) and not request.audio.HasField("raw_audio_config"):
        return [PortableVoiceprint(content=content)]
    return request.voiceprints


def _sound_response(found: Genders) -> IdentifyResponse:
    """Without scores where there is too little speech."""
    (mixed,) = found.channels
    if mixed.gender is None:
        result = IdentifyResult(speech_length=duration(mixed.speech_s))
    else:
        result = _result(mixed.gender)
    return IdentifyResponse(results=[result], processed_audio_length=duration(found.duration))


def _result(gender: Gender) -> IdentifyResult:
    return IdentifyResult(
        score_male=Score(score_llr=-gender.llr, probability=gender.male),
        score_female=Score(score_llr=gender.llr, probability=gender.female),
        speech_length=duration(gender.speech_s),
    )

"""Enrolments, segments and answers to asynchronous calls, in the vendor's shapes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from earmark.dialects.deepaffects._names import STRANGER
from earmark.diarization import Diarization, SpeechActivity
from earmark.service import Identification, Job, JobKind, NamedSpeaker

__all__ = ["COMPLETE_S", "Enrollment", "response", "response_of_document"]

COMPLETE_S: Final = 12.0
"""Seconds of speech, of all samples together, from which on somebody can be identified."""

_SPEECH: Final = "speech"  # the tag; others are music and noise

Response = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrollment:
    """How far somebody is enrolled; times are seconds, ``quality`` of the best sample."""

    speaker_id: str
    speech_s: float
    duration_s: float
    quality: str

    @property
    def complete(self) -> bool:
        """Whether they can be identified."""
        return self.speech_s >= COMPLETE_S

    def document(self) -> Response:
        """What is told of it."""
        return {
            "speaker_id": self.speaker_id,
            "enrollment_complete": self.complete,
            "total_speech_duration": round(self.speech_s, 3),
            "total_enroll_duration": round(self.duration_s, 3),
            "enroll_quality": self.quality,
        }


def response(
    shown: Mapping[str, Any], found: Identification | Diarization | SpeechActivity
) -> Response:
    """The result of a call; ``shown`` is what `_calls.Order` noted."""
    if isinstance(found, SpeechActivity):
        return {"segments": _speech(found, shown["gap"])}
    result = found.diarization if isinstance(found, Identification) else found
    matches = _matches(found.speakers) if isinstance(found, Identification) else {}
    enrolled: Mapping[str, str] = shown["speakers"]  # id -> speakerId
    names = {
        speaker: enrolled[matches[speaker]]
        for speaker in result.speakers
        if matches.get(speaker) in enrolled
    }
    if shown["call"] == "identify":
        return {"segments": _turns(result, {**dict.fromkeys(result.speakers, STRANGER), **names})}
    others = [speaker for speaker in result.speakers if speaker not in names]
    names |= zip(others, _numbered(enrolled.values()), strict=False)
    answer: Response = {"num_speakers": len(result.speakers)} if shown["counted"] else {}
    return answer | {"segments": _turns(result, names)}


def response_of_document(job: Job, document: bytes) -> Response:
    """The result of a job that succeeded."""
    if job.kind is JobKind.VOICE_ACTIVITY:
        return response(job.render, SpeechActivity.from_json(document))
    if job.kind is JobKind.DIARIZE:
        return response(job.render, Diarization.from_json(document))
    return response(job.render, Identification.from_json(document))


def _matches(speakers: Iterable[NamedSpeaker]) -> dict[str, str]:
    """Speaker of the recording -> id of the enrolled speaker they were taken for."""
    return {
        each.speaker: each.named.match.speaker_id
        for each in speakers
        if each.named.match is not None and each.named.match.speaker_id is not None
    }


def _turns(result: Diarization, names: Mapping[str, str]) -> list[Response]:
    return [
        {"speaker_id": names[turn.speaker], "start": turn.start, "end": turn.end} for turn in result
    ]


def _numbered(taken: Iterable[str]) -> Iterator[str]:
    """speaker1, speaker2 … without those that are somebody's ``speakerId``."""
    used = set(taken)
    return (name for i in count(1) if (name := f"speaker{i}") not in used)


def _speech(result: SpeechActivity, gap: float) -> list[Response]:
    """What is heard when; what is shorter than ``gap`` between speech counts as speech."""
    segments: list[Response] = []
    spoken: Response | None = None  # the last segment of speech
    behind = 0  # how many segments there are up to that one
    for start, end, tag in sorted(_tagged(result)):
        if tag == _SPEECH and spoken is not None and start - spoken["end"] < gap:
            del segments[behind:]
            spoken["end"] = end
            continue
        segments.append({"tag": tag, "start": start, "end": end})
        if tag == _SPEECH:
            spoken, behind = segments[-1], len(segments)
    return segments


def _tagged(result: SpeechActivity) -> Iterator[tuple[float, float, str]]:
    for channel in result.channels:
        if channel.sounds is not None:
            yield from channel.sounds
        else:
            yield from ((start, end, _SPEECH) for start, end in channel.segments)

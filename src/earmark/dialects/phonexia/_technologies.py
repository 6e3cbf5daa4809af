"""The technologies: what each takes, and what its result looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from earmark.dialects.phonexia._lists import ComparisonRequest, GenderRequest, ListsRequest
from earmark.dialects.phonexia._render import (
    comparison_result,
    diarization_result,
    extraction_result,
    gender_result,
    speech_result,
    voiceprint_genders_result,
)
from earmark.dialects.phonexia._requests import DiarizationConfig, SpeechLimit
from earmark.service import JobKind, JobOptions

__all__ = [
    "COMPARISON",
    "LISTS_TECHNOLOGIES",
    "RECORDING_TECHNOLOGIES",
    "VOICEPRINT_GENDERS",
    "ListsTechnology",
    "RecordingTechnology",
    "Technology",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Technology:
    """One technology; ``render`` shows a job's result document, a mix is channel 0."""

    path: str
    kind: JobKind
    render: Callable[[bytes], dict[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingTechnology(Technology):
    """One that takes a recording.

    ``limit`` adds to the options what query parameters of this technology alone say, ``configure``
    what the form's fields say; both raise what is wrong with them.
    """

    limit: Callable[[JobOptions, Mapping[str, str]], JobOptions] = lambda options, _: options
    configure: Callable[[JobOptions, Mapping[str, str]], JobOptions] = lambda options, _: options


@dataclass(frozen=True, kw_only=True, slots=True)
class ListsTechnology(Technology):
    """One that takes lists of voiceprints, as ``request`` reads them."""

    request: type[ListsRequest]


def _diarize(options: JobOptions, fields: Mapping[str, str]) -> JobOptions:
    """Raises what `DiarizationConfig.read` raises."""
    config = DiarizationConfig.read(fields.get("config", ""))
    return replace(options, speakers=config.total_speakers, max_speakers=config.most)


def _extract(options: JobOptions, _: Mapping[str, str]) -> JobOptions:
    """One voiceprint of each channel, whoever speaks there."""
    return replace(options, speakers=1, voiceprints=True)


def _limit_speech(options: JobOptions, query: Mapping[str, str]) -> JobOptions:
    """Raises what `SpeechLimit.read` raises."""
    return replace(options, speech_s=SpeechLimit.read(query).max_speech_length)


RECORDING_TECHNOLOGIES: Final = (
    RecordingTechnology(
        path="/speaker-diarization",
        kind=JobKind.DIARIZE,
        configure=_diarize,
        render=diarization_result,
    ),
    RecordingTechnology(
        path="/voice-activity-detection",
        kind=JobKind.VOICE_ACTIVITY,
        render=speech_result,
    ),
    RecordingTechnology(
        path="/speaker-identification-voiceprint-extraction",
        kind=JobKind.VOICEPRINT,
        configure=_extract,
        render=extraction_result,
    ),
    RecordingTechnology(
        path="/gender-identification",
        kind=JobKind.GENDER,
        limit=_limit_speech,
        render=gender_result,
    ),
)

COMPARISON: Final = ListsTechnology(
    path="/speaker-identification-voiceprint-comparison",
    kind=JobKind.COMPARE,
    request=ComparisonRequest,
    render=comparison_result,
)

VOICEPRINT_GENDERS: Final = ListsTechnology(
    path="/gender-identification-voiceprints",
    kind=JobKind.GENDER,
    request=GenderRequest,
    render=voiceprint_genders_result,
)

LISTS_TECHNOLOGIES: Final = (COMPARISON, VOICEPRINT_GENDERS)

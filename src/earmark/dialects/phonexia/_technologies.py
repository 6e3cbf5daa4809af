"""The technologies: what each takes beside the recording, and what its result looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from earmark.dialects.phonexia._render import diarization_result, speech_result
from earmark.dialects.phonexia._requests import DiarizationConfig
from earmark.service import JobKind, JobOptions

__all__ = ["TECHNOLOGIES", "Technology"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Technology:
    """One technology.

    ``configure`` adds what the form's fields say to the options, and raises what is wrong with
    them; ``render`` shows a job's result document; a mix is channel 0.
    """

    path: str
    kind: JobKind
    configure: Callable[[JobOptions, Mapping[str, str]], JobOptions]
    render: Callable[[bytes], dict[str, Any]]


def _diarize(options: JobOptions, fields: Mapping[str, str]) -> JobOptions:
    """Raises what `DiarizationConfig.read` raises."""
    config = DiarizationConfig.read(fields.get("config", ""))
    return replace(options, speakers=config.total_speakers, max_speakers=config.most)


TECHNOLOGIES: Final = (
    Technology(
        path="/speaker-diarization",
        kind=JobKind.DIARIZE,
        configure=_diarize,
        render=diarization_result,
    ),
    Technology(
        path="/voice-activity-detection",
        kind=JobKind.VOICE_ACTIVITY,
        configure=lambda options, _: options,
        render=speech_result,
    ),
)

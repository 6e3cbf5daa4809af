"""The technologies: what each takes beside the recording, and what its result looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from earmark.dialects.phonexia._request import DiarizationConfig
from earmark.diarization import Diarization, SpeechActivity, Turn
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


def _render_diarization(document: bytes) -> dict[str, Any]:
    result = Diarization.from_json(document)
    return {
        "channels": [_speakers(result.turns, channel) for channel in result.channels or (None,)]
    }


def _speakers(turns: Iterable[Turn], channel: int | None) -> dict[str, Any]:
    """The turns of one channel; its speakers are numbered as they first appear."""
    ids: dict[str, int] = {}
    segments = [
        {
            "speaker_id": ids.setdefault(turn.speaker, len(ids)),
            "start_time": turn.start,
            "end_time": turn.end,
        }
        for turn in turns
        if turn.channel == channel
    ]
    return {"channel_number": channel or 0, "speakers_count": len(ids), "segments": segments}


def _render_speech(document: bytes) -> dict[str, Any]:
    return {
        "channels": [
            {
                "channel_number": each.channel or 0,
                "speech_length": each.speech_s,
                "segments": [
                    {"segment_type": "voice", "start_time": start, "end_time": end}
                    for start, end in each.segments
                ],
            }
            for each in SpeechActivity.from_json(document).channels
        ]
    }


TECHNOLOGIES: Final = (
    Technology(
        path="/speaker-diarization",
        kind=JobKind.DIARIZE,
        configure=_diarize,
        render=_render_diarization,
    ),
    Technology(
        path="/voice-activity-detection",
        kind=JobKind.VOICE_ACTIVITY,
        configure=lambda options, _: options,
        render=_render_speech,
    ),
)

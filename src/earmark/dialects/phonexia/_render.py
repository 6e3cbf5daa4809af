"""Tasks and their results, in the vendor's shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from earmark.dialects.phonexia._errors import detail, dotted
from earmark.diarization import Diarization, SpeechActivity, Turn
from earmark.errors import InvalidOption, Kind, NotFound
from earmark.service import Comparison, Job, JobError, JobState, VoiceprintGenders, Voices
from earmark.traits import Gender, Genders
from earmark.voiceprints import DEFAULT_MODEL

__all__ = [
    "comparison_result",
    "diarization_result",
    "extraction_result",
    "gender_result",
    "speech_result",
    "state_of",
    "task_body",
    "voiceprint_genders_result",
]

_STATES: Final[Mapping[JobState, str]] = {
    JobState.QUEUED: "pending",
    JobState.RUNNING: "running",
    JobState.SUCCEEDED: "done",
    JobState.FAILED: "failed",
    JobState.CANCELED: "failed",  # only through another API: nobody will go on with it
}

_INPUT: Final = frozenset({Kind.INVALID, Kind.TOO_LARGE})
"""Errors that the recording or the request is to blame for: another one may do."""


def state_of(job: Job) -> str:
    """pending, running, rejected, failed or done. Raises `NotFound` for an expired job."""
    if job.state is JobState.EXPIRED:
        raise NotFound(f"The job {job.id} has expired.")
    if job.state is JobState.FAILED and job.error is not None and job.error.kind in _INPUT:
        return "rejected"
    return _STATES[job.state]


def task_body(job: Job, result: Mapping[str, Any] | None) -> dict[str, Any]:
    """The answer to a client that asks after its task."""
    return {
        "task": {"task_id": job.id, "state": state_of(job)},
        "result": result,
        "error": _error(job),
    }


def diarization_result(document: bytes) -> dict[str, Any]:
    """The turns of a result document, by channel; a mix is channel 0."""
    result = Diarization.from_json(document)
    return {
        "channels": [_speakers(result.turns, channel) for channel in result.channels or (None,)]
    }


def speech_result(document: bytes) -> dict[str, Any]:
    """The stretches with speech of a result document, by channel; a mix is channel 0."""
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


def extraction_result(document: bytes) -> dict[str, Any]:
    """One voiceprint per channel, and how much speech it was made of."""
    found = Voices.from_json(document)
    return {"channels": [_voiceprint(found, channel) for channel in found.channels]}


def _voiceprint(found: Voices, channel: int | None) -> dict[str, Any]:
    """That of a channel with too little speech is empty, as the vendor's type is text."""
    shown: dict[str, Any] = {"channel_number": channel or 0, "voiceprint": "", "speech_length": 0.0}
    for voice in found.on(channel)[:1]:
        shown["voiceprint"] = voice.voiceprint.to_base64()
        shown["speech_length"] = round(voice.voiceprint.net_speech_s, 3)
    return {**shown, "model": DEFAULT_MODEL}


def comparison_result(document: bytes) -> dict[str, Any]:
    """The scores, row by row: the columns are the first list, the rows the second one."""
    llr = Comparison.from_json(document).llr
    columns, rows = llr.shape
    values = llr.T.ravel().tolist()
    return {"scores": {"columns_count": columns, "rows_count": rows, "values": values}}


def gender_result(document: bytes) -> dict[str, Any]:
    """The gender of each channel; a mix is channel 0."""
    return {
        "channels": [
            {"channel_number": each.channel or 0, **_gender(each.speech_s, each.gender)}
            for each in Genders.from_json(document).channels
        ]
    }


def voiceprint_genders_result(document: bytes) -> dict[str, Any]:
    """The genders of voiceprints, in the order in which they were sent."""
    found = VoiceprintGenders.from_json(document).genders
    return {"results": [_gender(each.speech_s, each) for each in found]}


def _gender(speech_s: float, gender: Gender | None) -> dict[str, Any]:
    """One answer: the scores are of one voice, seen from both sides; null: too little speech."""
    shown: dict[str, Any] = {"speech_length": round(speech_s, 3)}
    if gender is None:
        return {**shown, "score_male": None, "score_female": None}
    female = round(gender.female, 4)
    return {
        **shown,
        "score_male": {"score_llr": round(-gender.llr, 4), "probability": round(1 - female, 4)},
        "score_female": {"score_llr": round(gender.llr, 4), "probability": female},
    }


def _error(job: Job) -> dict[str, Any] | None:
    if job.state is JobState.CANCELED:
        return {"type": "internal", "message": "The task was canceled.", "detail": []}
    if job.state is not JobState.FAILED or job.error is None:
        return None
    rejected = state_of(job) == "rejected"
    return {
        "type": "task.validation-error" if rejected else "internal",
        "message": job.error.message,
        "detail": [_cause(job.error)] if rejected else [],
    }


def _cause(error: JobError) -> dict[str, Any]:
    location = ("query",) if error.code == InvalidOption.code else ("body", "file")
    return detail(location, error.message, dotted(error.code))


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

"""Jobs and their results, in the vendor's shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from earmark.dialects._http import iso
from earmark.diarization import Diarization, FrameConfidence, Turn
from earmark.service import Job, JobState, Page

__all__ = [
    "STATES",
    "diarization_output",
    "job_created",
    "job_details",
    "job_rows",
]

RESOLUTION_S = 0.02
"""Seconds that one score of ``confidence`` stands for, as the vendor has it."""

Output = dict[str, Any]

STATES: Mapping[str, tuple[JobState, ...]] = {
    "pending": (),  # never: a job is told of once it is in the queue
    "created": (JobState.QUEUED,),
    "running": (JobState.RUNNING,),
    "succeeded": (JobState.SUCCEEDED,),
    "failed": (JobState.FAILED,),
    "canceled": (JobState.CANCELED,),
}
"""The vendor's statuses, and which of our states they are."""

_STATUSES = {state: status for status, states in STATES.items() for state in states}


def job_created(job: Job) -> Output:
    """The answer to a submission."""
    return {"jobId": job.id, "status": _STATUSES[job.state]}


def job_details(job: Job, document: Callable[[], bytes]) -> Output:
    """One job, with its output once it has one; ``document`` fetches the stored result."""
    shown: Output = {
        "jobId": job.id,
        "status": _STATUSES[job.state],
        "createdAt": iso(job.created_at),
        "updatedAt": iso(job.updated_at),
    }
    if job.state is JobState.SUCCEEDED:
        shown["output"] = diarization_output(job, document())
    elif job.error is not None:
        shown["output"] = {"error": job.error.message}
    return shown


def job_rows(page: Page[Job]) -> list[Output]:
    """The jobs of a list."""
    return [
        {"id": job.id, "status": _STATUSES[job.state], "createdAt": iso(job.created_at)}
        for job in page.items
    ]


def diarization_output(job: Job, document: bytes) -> Output:
    """The output of a diarization: what the job's request asked to see of the result."""
    result, asked = Diarization.from_json(document), job.render
    sure = asked.get("turnLevelConfidence", False)
    output: Output = {"diarization": _turns(result.turns, result, sure=sure)}
    if asked.get("confidence") and result.confidence is not None:
        output["confidence"] = {
            "score": _scores(result.confidence, result.end_s),
            "resolution": RESOLUTION_S,
        }
    if asked.get("exclusive"):
        output["exclusiveDiarization"] = _turns(result.exclusive, result, sure=sure)
    if result.warnings:
        output["warning"] = " ".join(result.warnings)
    return output


def _turns(turns: Iterable[Turn], result: Diarization, *, sure: bool) -> list[Output]:
    shown = [{"speaker": turn.speaker, "start": turn.start, "end": turn.end} for turn in turns]
    if sure:
        for row, confidence in zip(shown, _turn_confidences(turns, result), strict=True):
            row["confidence"] = confidence
    return shown


def _turn_confidences(turns: Iterable[Turn], result: Diarization) -> Iterable[dict[str, int]]:
    """Per turn, speaker -> 0..100.

    Of the turn's own speaker, how sure it is that they speak in it. Of another one, the same for
    those of their turns that run into this one, times the share of it that they take up: 0 when
    they are silent in it.
    """
    near: list[Turn] = []  # turns that reach into this one or a later one
    coming = list(reversed(result.turns))
    for turn in turns:
        while coming and coming[-1].start < turn.end:
            near.append(coming.pop())
        near = [other for other in near if other.end > turn.start]
        sure = dict.fromkeys(result.speakers, 0.0)
        for other in near:
            shared = min(turn.end, other.end) - max(turn.start, other.start)
            if shared > 0:
                sure[other.speaker] += (other.confidence or 0.0) * shared / turn.duration
        sure[turn.speaker] = turn.confidence or 0.0
        yield {speaker: round(100 * min(1.0, value)) for speaker, value in sure.items()}


def _scores(confidence: FrameConfidence, end_s: float) -> list[int]:
    """0..100 for every 20 ms from 0 s to the end: that of the frame in the middle of each."""
    values = confidence.values[0]
    if not len(values):
        return []
    middles = (np.arange(math.ceil(round(end_s / RESOLUTION_S, 6))) + 0.5) * RESOLUTION_S
    frames = np.floor((middles - confidence.start) / confidence.step).astype(np.int64)
    picked = values[np.clip(frames, 0, len(values) - 1)]
    scores: list[int] = np.rint(picked * 100).astype(np.int64).tolist()
    return scores

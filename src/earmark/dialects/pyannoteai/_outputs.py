"""Results in the vendor's shapes: a job's ``output``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np

from earmark.diarization import Diarization, FrameConfidence, Turn
from earmark.service import Identification, Job, JobKind, NamedSpeaker, Voices

__all__ = ["job_output"]

RESOLUTION_S = 0.02
"""Seconds that one score of ``confidence`` stands for, as the vendor has it."""

Output = dict[str, Any]
Asked = Mapping[str, Any]


def job_output(job: Job, document: bytes) -> Output:
    """What a job that succeeded has come to, as far as its request asked to see it."""
    return _OUTPUTS[job.kind](document, job.render)


def _diarization(document: bytes, asked: Asked) -> Output:
    return _turns_output(Diarization.from_json(document), asked)


def _identification(document: bytes, asked: Asked) -> Output:
    """The diarization, the same turns under the names that were found, and how they compare."""
    result = Identification.from_json(document)
    output = _turns_output(result.diarization, asked)
    matches = {each.speaker: _match(each) for each in result.speakers}
    output["identification"] = [
        {
            **turn,
            "speaker": matches[turn["speaker"]] or turn["speaker"],
            "diarizationSpeaker": turn["speaker"],
            "match": matches[turn["speaker"]],
        }
        for turn in output["diarization"]
    ]
    output["voiceprints"] = [
        {
            "speaker": each.speaker,
            "match": matches[each.speaker],
            "confidence": {
                candidate.label: round(100 * candidate.probability)
                for candidate in each.named.alternatives
            },
        }
        for each in result.speakers
    ]
    return output


def _voiceprint(document: bytes, _: Asked) -> Output:
    """The voiceprint of the person who speaks most."""
    result = Voices.from_json(document)
    warnings = list(result.warnings)
    if len(result.voices) > 1:
        warnings.append(
            f"{len(result.voices)} people speak in the recording: the voiceprint is of the one who"
            " speaks most."
        )
    output: Output = {"voiceprint": result.voices[0].voiceprint.to_base64()}
    if warnings:
        output["warning"] = " ".join(warnings)
    return output


_OUTPUTS: Final[Mapping[JobKind, Callable[[bytes, Asked], Output]]] = {
    JobKind.DIARIZE: _diarization,
    JobKind.IDENTIFY: _identification,
    JobKind.VOICEPRINT: _voiceprint,
}


def _match(each: NamedSpeaker) -> str | None:
    return None if each.named.match is None else each.named.match.label


def _turns_output(result: Diarization, asked: Asked) -> Output:
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

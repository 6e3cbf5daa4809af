"""A file's job and its results: a time line per channel, and what it comes to in all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from earmark.dialects.deeptone._names import NO_SPEECH, SPEAKER_MAP, TRAITS
from earmark.dialects.deeptone._render import People, entry
from earmark.dialects.deeptone._requests import FileAsked
from earmark.errors import NotFound
from earmark.service import Job, JobState
from earmark.traits import TraitReport, TraitSeries

__all__ = ["channel_result", "job_document", "job_results"]

_STATES: Final[Mapping[JobState, str]] = {
    JobState.QUEUED: "new",
    JobState.RUNNING: "running",
    JobState.SUCCEEDED: "done",
    JobState.FAILED: "error",
    JobState.CANCELED: "error",  # through another API
}

Row = tuple[TraitReport, Mapping[str, Any]]

_SPEAKER_ANSWER: Final = "speaker_top"


def job_document(job: Job) -> dict[str, Any]:
    """How a job stands. Raises `NotFound` for one that has expired."""
    if job.state is JobState.EXPIRED:
        raise NotFound(f"There is no job {job.id!r}.")
    shown = {"id": job.id, "state": _STATES[job.state], "config": dict(job.render)}
    if job.error is not None:
        shown["error_description"] = job.error.message
    elif job.state is JobState.CANCELED:
        shown["error_description"] = "The job was canceled."
    return shown


def job_results(job: Job, document: bytes) -> dict[str, Any]:
    """The results of a job that is done, from its stored document."""
    asked = FileAsked.of_document(job.render)
    channels = {
        str(each.channel or 0): channel_result(each.series, asked)
        for each in TraitSeries.from_json(document).channels
    }
    return {"result": {"channels": channels}}


def channel_result(series: Sequence[TraitReport], asked: FileAsked) -> dict[str, Any]:
    """What a channel's ``series`` of reports looks like. Times are milliseconds."""
    people = People()
    told = [(report, entry(report, asked, people)) for report in series]
    shown: dict[str, Any] = {
        "time_series": [{"timestamp": _ms(report.start), **each} for report, each in told]
    }
    answers = [(report, each["results"]) for report, each in told]
    if asked.summary:
        shown["summary"] = {model: _summary(answers, model) for model in asked.models}
    if asked.transitions:
        shown["transitions"] = {model: list(_stretches(answers, model)) for model in asked.models}
    return shown


def _summary(answers: Sequence[Row], model: str) -> dict[str, float]:
    """The share of the time that each label has, and how many people there are."""
    times: dict[str, float] = {}
    for report, results in answers:
        label = _label(results, model)
        times[label] = times.get(label, 0.0) + report.end - report.start
    whole = sum(times.values())
    labels = (*times, NO_SPEECH) if model == SPEAKER_MAP else TRAITS[model][1]
    fractions = {
        f"{label}_fraction": round(times.get(label, 0.0) / whole, 4) if whole else 0.0
        for label in labels
    }
    if model == SPEAKER_MAP:
        return {"speaker_count": len(times.keys() - {NO_SPEECH}), **fractions}
    return fractions


def _stretches(answers: Sequence[Row], model: str) -> Iterator[dict[str, Any]]:
    """Periods in a row with the same label as one; its confidence is their mean."""
    for label, rows in groupby(answers, lambda row: _label(row[1], model)):
        same = list(rows)
        stretch = {
            "timestamp_start": _ms(same[0][0].start),
            "timestamp_end": _ms(same[-1][0].end),
            "result": label,
        }
        if model != SPEAKER_MAP:
            sure = [results[model]["confidence"] for _, results in same]
            stretch["confidence"] = round(sum(sure) / len(sure), 4)
        yield stretch


def _label(results: Mapping[str, Any], model: str) -> str:
    label: str = results[model][_SPEAKER_ANSWER if model == SPEAKER_MAP else "result"]
    return label


def _ms(seconds: float) -> int:
    return round(1000 * seconds)

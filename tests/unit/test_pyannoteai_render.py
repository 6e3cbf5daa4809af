"""Jobs and results in the vendor's shapes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from earmark.dialects.pyannoteai._outputs import job_output
from earmark.dialects.pyannoteai._render import job_details
from earmark.diarization import Diarization
from earmark.errors import Kind
from earmark.service import JobError, JobState
from pyannoteai_results import ANN, BEN, CAT, a_job, result


def output(**render: Any) -> dict[str, Any]:
    return job_output(a_job(**render), result().to_json(frame_confidence=True).encode())


def test_that_a_plain_request_gets_turns_alone() -> None:
    assert output() == {
        "diarization": [
            {"speaker": ANN, "start": 0.0, "end": 4.0},
            {"speaker": BEN, "start": 3.0, "end": 5.0},
            {"speaker": CAT, "start": 8.0, "end": 9.0},
        ],
        "warning": "There should be 4 speakers, but speech of 3 was found. And so on.",
    }


def test_that_no_warning_is_no_field() -> None:
    silent = Diarization(turns=(), exclusive=(), duration=1.0)
    assert job_output(a_job(exclusive=True), silent.to_json().encode()) == {
        "diarization": [],
        "exclusiveDiarization": [],
    }


def test_exclusive_turns() -> None:
    assert output(exclusive=True)["exclusiveDiarization"] == [
        {"speaker": ANN, "start": 0.0, "end": 4.0},
        {"speaker": BEN, "start": 4.0, "end": 5.0},
        {"speaker": CAT, "start": 8.0, "end": 9.0},
    ]


def test_how_sure_each_turn_is_of_each_speaker() -> None:
    shown = output(turnLevelConfidence=True, exclusive=True)
    assert [turn["confidence"] for turn in shown["diarization"]] == [
        {ANN: 90, BEN: 12, CAT: 0},  # Ben, surely by half, in a quarter of Ann's turn
        {ANN: 45, BEN: 50, CAT: 0},  # Ann in half of Ben's
        {ANN: 0, BEN: 0, CAT: 100},
    ]
    assert [turn["confidence"] for turn in shown["exclusiveDiarization"]] == [
        {ANN: 90, BEN: 12, CAT: 0},
        {ANN: 0, BEN: 50, CAT: 0},
        {ANN: 0, BEN: 0, CAT: 100},
    ]


def test_confidence_every_20_ms() -> None:
    confidence = output(confidence=True)["confidence"]
    values = result().confidence
    assert values is not None
    assert confidence["resolution"] == 0.02
    assert len(confidence["score"]) == 500
    for i, score in enumerate(confidence["score"]):
        frame = math.floor((0.02 * i + 0.01 - values.start) / values.step)
        assert score == round(100 * float(values.values[0, min(589, max(0, frame))]))
    assert confidence["score"] == sorted(confidence["score"])
    assert (confidence["score"][0], confidence["score"][-1]) == (0, 100)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (JobState.QUEUED, "created"),
        (JobState.RUNNING, "running"),
        (JobState.CANCELED, "canceled"),
    ],
)
def test_a_job_without_output(state: JobState, status: str) -> None:
    assert job_details(a_job(state), lambda: pytest.fail("nothing to fetch")) == {
        "jobId": "7c1f",
        "status": status,
        "createdAt": "2023-11-14T22:13:20.250Z",
        "updatedAt": "2023-11-14T22:13:21.500Z",
    }


def test_that_a_failed_job_says_why() -> None:
    why = JobError(kind=Kind.INVALID, code="audio.empty", message="There is no audio in it.")
    failed = replace(a_job(JobState.FAILED), error=why)
    shown = job_details(failed, lambda: pytest.fail("nothing to fetch"))
    assert shown["status"] == "failed"
    assert shown["output"] == {"error": "There is no audio in it."}

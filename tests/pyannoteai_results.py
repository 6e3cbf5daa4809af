"""A job and a result, for the tests of how the pyannoteAI dialect shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from earmark.diarization import Diarization, FrameConfidence, Turn
from earmark.service import Job, JobState
from some_job import some_job

ANN, BEN, CAT = "SPEAKER_00", "SPEAKER_01", "SPEAKER_02"


def a_job(state: JobState = JobState.SUCCEEDED, **render: Any) -> Job:
    return some_job(state, dialect="pyannoteai", render=render)


def result() -> Diarization:
    turns = (
        Turn(start=0.0, end=4.0, speaker=ANN, confidence=0.9),
        Turn(start=3.0, end=5.0, speaker=BEN, confidence=0.5),
        Turn(start=8.0, end=9.0, speaker=CAT, confidence=1.0),
    )
    return Diarization(
        turns=turns,
        exclusive=(turns[0], replace(turns[1], start=4.0), turns[2]),
        duration=10.0,
        warnings=("There should be 4 speakers, but speech of 3 was found.", "And so on."),
        confidence=FrameConfidence(
            values=np.linspace(0, 1, 590, dtype=np.float32).round(2)[np.newaxis],
            step=0.016875,
            start=0.02,
        ),
    )

"""A job, for the tests of how a dialect shows one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from earmark.service import Job, JobKind, JobOptions, JobState, Priority

__all__ = ["some_job"]

_JOB = Job(
    id="7c1f",
    tenant_id="t",
    dialect="native",
    kind=JobKind.DIARIZE,
    state=JobState.SUCCEEDED,
    stage="done",
    progress=100,
    priority=Priority.NORMAL,
    options=JobOptions(),
    render={},
    media_id=None,
    url="https://example.com/a.wav",
    name=None,
    webhook_id=None,
    error=None,
    created_at=1_700_000_000.25,
    updated_at=1_700_000_001.5,
    started_at=None,
    finished_at=None,
    audio_s=None,
    timings={},
    result_blob=None,
    result_sealed=False,
    sealed_blob=None,
    findings=None,
    call_id=None,
    key_id=None,
)


def some_job(state: JobState = JobState.SUCCEEDED, **changes: Any) -> Job:
    """A job in this state, with these of its fields changed."""
    return replace(_JOB, state=state, **changes)

"""Jobs in the vendor's shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from earmark.dialects._http import iso
from earmark.dialects.pyannoteai._outputs import job_output
from earmark.service import Job, JobState, Page

__all__ = ["STATES", "job_created", "job_details", "job_rows"]

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
        shown["output"] = job_output(job, document())
    elif job.error is not None:
        shown["output"] = {"error": job.error.message}
    return shown


def job_rows(page: Page[Job]) -> list[Output]:
    """The jobs of a list."""
    return [
        {"id": job.id, "status": _STATUSES[job.state], "createdAt": iso(job.created_at)}
        for job in page.items
    ]

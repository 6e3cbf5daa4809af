"""Answers to calls that wait for them: at once about short recordings, by a job about long ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

from earmark.dialects._grpc import at_length, run_sync
from earmark.dialects.phonexia._names import NAME
from earmark.dialects.phonexia._sound import Sound
from earmark.dialects.phonexia._threads import made
from earmark.errors import AudioTooLarge, EarmarkError, NotFound, Unavailable
from earmark.service import (
    Analyst,
    Caller,
    Job,
    JobError,
    JobKind,
    JobOptions,
    JobState,
    Media,
    Priority,
    Service,
    Submission,
)

__all__ = ["AT_ONCE_S", "Question", "answer"]

AT_ONCE_S: Final = 600.0
"""Recordings that are read no further than this, in seconds, do not queue behind jobs."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Question(Generic[T]):
    """What is asked of a recording, by both ways.

    ``at_once`` lets the analyst answer: it raises `AudioTooLarge` where the recording is longer
    than the seconds it is given. ``read`` reads the result document of a job of this ``kind``.
    """

    kind: JobKind
    options: JobOptions
    at_once: Callable[[Analyst, Media, JobOptions, float], T]
    read: Callable[[bytes], T]


async def answer(service: Service, caller: Caller, sound: Sound, question: Question[T]) -> T:
    """Analyse the recording that came with a call.

    The analyst answers at once up to `AT_ONCE_S`. Longer recordings would keep it from everybody
    else: they are jobs, which any worker may run, and which end with the call if that is cancelled.
    Raises what the analyst raises, or what a job failed with, and `Unavailable`.
    """
    reach_s = min(sound.seconds or 0.0, question.options.end or math.inf)
    if reach_s <= AT_ONCE_S:  # as far as can be known
        with suppress(AudioTooLarge):
            return await at_length(
                caller, question.at_once, service.analyst, sound.media, question.options, AT_ONCE_S
            )
    return await _by_job(service, caller, sound.media, question)


async def _by_job(service: Service, caller: Caller, media: Media, question: Question[T]) -> T:
    submission = Submission(
        dialect=NAME,
        kind=question.kind,
        options=question.options,
        media=media,
        priority=Priority.HIGH,  # somebody waits for it
        retention_s=service.settings.phonexia_retention_s,
    )

    def submit() -> Job:
        return service.jobs.submit(caller, submission).job

    def delete(job: Job) -> None:
        with suppress(NotFound):
            service.jobs.delete(caller, job.id)

    job = await made(submit, delete)
    try:
        async for changed in service.jobs.watch(caller, job.id):
            job = changed
        _require_success(job)
        return question.read(await run_sync(service.jobs.document, job))
    finally:
        await made(partial(delete, job))


def _require_success(job: Job) -> None:
    if job.error is not None:
        raise _error(job.error)
    if job.state is not JobState.SUCCEEDED:  # canceled or deleted by others, or the server stops
        raise Unavailable("The analysis was ended before it was done: call again in a moment.")


def _error(told: JobError) -> EarmarkError:
    """Why a job failed, as if it had been raised here."""
    error = EarmarkError(told.message)
    vars(error).update(kind=told.kind, code=told.code)
    return error

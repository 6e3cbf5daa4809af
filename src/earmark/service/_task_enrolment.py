"""Enrolment from what a speaker search task has heard."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from earmark.errors import Conflict, ConsentRequired, Gone, NotFound
from earmark.service._consents import standing_consent
from earmark.service._model import Caller, Job, JobKind, JobState, Scope
from earmark.service._people import NewConsent, NewSpeaker, Speaker
from earmark.service._search_findings import SearchFindings, asked_of
from earmark.service._speaker_voiceprints import VOICEPRINT
from earmark.storage import job_voiceprints as voiceprint_rows
from earmark.storage import jobs as job_rows
from earmark.voiceprints import Voiceprint

if TYPE_CHECKING:
    from earmark.service._service import Service

__all__ = ["TaskEnrolment"]


class TaskEnrolment:
    """Enrols callers, by the operator's standing consent.

    Raises `Forbidden` without the scopes for jobs and galleries.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._store = service, service.store

    def enrol(
        self, caller: Caller, task_id: str, *, dialect: str, details: Mapping[str, Any]
    ) -> Speaker:
        """Enrol whom a task has heard into its domain; again, it is the same speaker.

        Raises `NotFound` for the task, `Conflict` when it is not over or came to no voiceprint,
        `Gone` when that is forgotten, `ConsentRequired`.
        """
        job, speakers = self._job(caller, task_id, dialect), self._service.speakers
        domain = asked_of(job).gallery_id
        with suppress(NotFound):
            return speakers.by_key(caller, domain, job.id)
        voiceprint, speaker_id = self._voiceprint(job), str(uuid.uuid4())
        new = NewSpeaker(
            id=speaker_id, gallery_id=domain, name=speaker_id, key=job.id, details=details
        )
        try:
            speaker = self._service.enrolment.enroll_new(
                caller, new, voiceprint, consent=self._consent(speaker_id)
            ).speaker
        except Conflict:  # a rival was first
            return speakers.by_key(caller, domain, job.id)
        self._hand_over(job, speaker)
        return speaker

    def replace(self, caller: Caller, speaker_id: str, task_id: str, *, dialect: str) -> Speaker:
        """Put the voice that a task has heard in place of what a speaker holds.

        They expire as if enrolled now, unless a time was fixed for them. Raises as `enrol`, and
        `Conflict` for a task that was to search another domain.
        """
        speaker = self._service.speakers.get(caller, speaker_id, dialect=dialect)
        job = self._job(caller, task_id, dialect)
        if asked_of(job).gallery_id != speaker.gallery_id:
            raise Conflict(f"The task {task_id!r} belongs to another domain than {speaker_id!r}.")
        if SearchFindings.of(job).enrolled == speaker_id:
            return speaker  # the request came again
        speaker = self._service.enrolment.enroll_voiceprint(
            caller, speaker_id, self._voiceprint(job), replace=True, renew=True
        ).speaker
        self._hand_over(job, speaker)
        return speaker

    def _hand_over(self, job: Job, speaker: Speaker) -> None:
        """Forget the task's copy of the voiceprint, which would outlive the speaker's erasure."""
        self._store.vault.forget(job.id)
        findings = replace(SearchFindings.of(job), enrolled=speaker.id)
        with self._store.database.write() as connection:
            voiceprint_rows.replace(connection, job.id, [])
            job_rows.update(connection, job.id, {"findings": asdict(findings)})

    def _consent(self, speaker_id: str) -> NewConsent | None:
        """The operator's standing consent. Raises `ConsentRequired` when there has to be one."""
        consent = standing_consent(self._store.settings, f"voice profile {speaker_id}")
        if consent is None and self._store.settings.consent == "strict":
            raise ConsentRequired(
                "This API cannot carry anybody's consent, and the operator of this server has"
                " declared none (EARMARK_STANDING_CONSENT): nobody is enrolled without."
            )
        return consent

    def _job(self, caller: Caller, task_id: str, dialect: str) -> Job:
        caller.require(Scope.GALLERIES)
        return self._service.jobs.get(caller, task_id, dialect=dialect, kind=JobKind.SPEAKER_SEARCH)

    def _voiceprint(self, job: Job) -> Voiceprint:
        """What is kept of the voice that a task has heard."""
        if not job.state.over:
            raise Conflict(f"The task {job.id!r} is not over: wait until it is.")
        if job.state is not JobState.SUCCEEDED or not SearchFindings.of(job).voiceprint:
            raise Conflict(
                f"The task {job.id!r} came to no voiceprint: take one whose status is SUCCEEDED."
            )
        with self._store.database.read() as connection:
            row = voiceprint_rows.of_job(connection, job.id, now=time.time())
        if row is None:
            kept_h = self._store.settings.chime_voiceprint_retention_s / 3600
            raise Gone(
                f"The voiceprint of the task {job.id!r} is forgotten, as it is once somebody was"
                f" enrolled from it, and after {kept_h:g} hours: search again."
            )
        data = self._store.vault.open(job.id, row["sealed"], purpose=VOICEPRINT)
        return Voiceprint.from_bytes(data)

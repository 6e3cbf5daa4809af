"""Speaker search tasks: who speaks on one leg of a call, found out while the call lasts.

After ten seconds of net speech the voice is searched in a domain, after twenty its voiceprint is
kept for a while, from which somebody may be enrolled (Amazon Chime SDK Developer Guide, "Using
voice analytics").

A leg that comes through a socket is listened to while it comes, and tells its tasks as soon as
there is enough (`SpeakerSearch.tell`): the voice is searched as it was heard then. All else is read
from the stored sound: what nobody listened to, as when a process died, and what a voiceprint to
enrol from is made of, which is to be as good as can be.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from earmark.errors import Gone, StorageUnavailable, TooLittleSpeech
from earmark.service._call_sound import write_wav
from earmark.service._calls import LONGEST_S, Call
from earmark.service._conclusion import Concluded, NotYet, caller_of
from earmark.service._heard import Heard
from earmark.service._model import Job, JobState, Leg
from earmark.service._rows import job_of
from earmark.service._search_events import note_findings
from earmark.service._search_findings import (
    IDENTIFICATION_S,
    VOICEPRINT_S,
    Match,
    SearchFindings,
    asked_of,
)
from earmark.service._speaker_voiceprints import VOICEPRINT
from earmark.storage import calls as call_rows
from earmark.storage import job_voiceprints as voiceprint_rows
from earmark.storage import jobs as job_rows
from earmark.voiceprints import Voiceprint

if TYPE_CHECKING:
    from earmark.service._service import Service

__all__ = ["SpeakerSearch"]

_RESULTS = 10
_FALSE_ACCEPT_RATE = 0.001  # only matches that are all but sure are told
_GROWTH = 0.1  # of what was heard, before it is listened to again
_SLACK_S = 0.5  # a piece may be shorter once it is decoded
_LATEST_S = 600.0  # a job is looked at again at least so often
_SPEAKER = "SPEAKER_00"
_AT_ONCE = 500
_TOLD = "heard"  # what was told of a leg is sealed for this alone
_TOLD_KEPT_S = 600.0


class SpeakerSearch:
    """Runs the tasks, for the workers."""

    def __init__(self, service: Service) -> None:
        self._service, self._store = service, service.store

    def awaited(self, call: Call) -> dict[Leg, float]:
        """Leg -> the least net speech (s) that a task of the call waits for there."""
        with self._store.database.read() as connection:
            listening = [job_of(row) for row in call_rows.jobs_listening(connection, call.id)]
        awaited: dict[Leg, float] = {}
        for job in listening:
            leg, findings = asked_of(job).leg, SearchFindings.of(job)
            if findings.voiceprint is None:
                awaited[leg] = min(findings.needed_s, awaited.get(leg, findings.needed_s))
        return awaited

    def tell(self, call: Call, leg: Leg, heard: Heard) -> None:
        """Have the tasks of a leg go on for which enough was heard while the sound came."""
        data, now = heard.to_bytes(), time.time()
        with self._store.database.read() as connection:
            listening = [job_of(row) for row in call_rows.jobs_listening(connection, call.id)]
        going = [job for job in listening if _serves(job, leg, heard)]
        sealed = {
            job.id: self._row(job, heard, data, _TOLD, now + _TOLD_KEPT_S)
            for job in going
            if _searches(job)
        }
        if not going:
            return
        with self._store.database.write() as connection:
            for job in map(job_of, call_rows.jobs_waiting(connection, call.id)):
                if not _serves(job, leg, heard):
                    continue
                told = [sealed[job.id]] if job.id in sealed and _searches(job) else []
                voiceprint_rows.replace(connection, job.id, told)
                # With what it was told it needs no engine, and does not wait for one.
                job_rows.update(connection, job.id, {"not_before": 0.0, "fetched": not told})
        self._service.jobs.submitted.set()

    def wake(self, call: Call, leg: Leg, speech_s: float) -> None:
        """Have the tasks of a leg that need no more than this much speech read what is stored."""
        with self._store.database.write() as connection:
            for job in map(job_of, call_rows.jobs_waiting(connection, call.id)):
                findings = SearchFindings.of(job)
                if asked_of(job).leg == leg and findings.needed_s <= speech_s:
                    job_rows.update(connection, job.id, {"not_before": 0.0, "fetched": True})
        self._service.jobs.submitted.set()

    def concluded(self, job: Job) -> Concluded | None:
        """What the job came to already, when a process died before the job's end was noted."""
        findings = SearchFindings.of(job)
        return None if findings.voiceprint is None else Concluded(document=_document(findings))

    def told(self, job: Job) -> Heard | None:
        """What was told of the job's leg while it came, if the job has still to search by it."""
        with self._store.database.read() as connection:
            row = voiceprint_rows.of_job(connection, job.id, now=time.time())
        if row is None or not _searches(job):
            return None
        try:
            return Heard.from_bytes(self._store.vault.open(job.id, row["sealed"], purpose=_TOLD))
        except Gone:  # the data key was lost: the stored sound still serves
            with self._store.database.write() as connection:
                voiceprint_rows.replace(connection, job.id, [])
            return None

    def recording(self, job: Job) -> BinaryIO | NotYet:
        """The leg's sound so far, an unnamed WAV file (16 kHz, mono), or that there is too little.

        Raises `TooLittleSpeech` when the call is over and too short, `NotFound` when its sound is
        not kept any more, and what `write_wav` raises.
        """
        call, findings = self._call(job), SearchFindings.of(job)
        if job.findings is None:
            self._note(job, findings, voiceprints=None)
        sound_s, over = _heard(call, job)
        if sound_s < findings.look_at_s and not over:
            return self._not_yet(call)
        if sound_s < IDENTIFICATION_S:
            raise _too_little(job, sound_s)
        return self._file(job, call)

    def _file(self, job: Job, call: Call) -> BinaryIO:
        settings = self._store.settings
        try:
            file = tempfile.TemporaryFile(dir=settings.data_dir)  # noqa: SIM115 - handed out
            try:
                leg = asked_of(job).leg
                pieces = self._service.calls.pieces(call, leg)
                write_wav(pieces, leg, file, longest_s=LONGEST_S, settings=settings)
            except BaseException:
                file.close()
                raise
        except OSError as error:
            raise StorageUnavailable(
                f"The sound of a call cannot be put together in {settings.data_dir}:"
                f" {error.strerror}."
            ) from error
        return file

    def conclude(self, job: Job, heard: Heard) -> Concluded | NotYet:
        """What is made of what was heard so far.

        Raises `TooLittleSpeech` when the call is over and nobody spoke enough, `NotFound` when the
        domain is no more, and what searching raises.
        """
        voiceprint, net_speech_s = heard.voiceprint, heard.net_speech_s
        findings = replace(SearchFindings.of(job), net_speech_s=net_speech_s)
        call = self._call(job)
        sound_s, over = _heard(call, job)
        over = over and sound_s <= heard.sound_s + _SLACK_S
        told: list[str] = []
        if voiceprint is not None and net_speech_s >= IDENTIFICATION_S and findings.matches is None:
            findings = replace(findings, matches=self._search(job, voiceprint))
            told.append("search.found" if findings.matches else "search.unknown")
        if voiceprint is not None and net_speech_s >= VOICEPRINT_S and heard.several:
            findings = replace(findings, voiceprint=False, several=True)
            self._note(job, findings, *told, "search.no_voiceprint")
        elif voiceprint is not None and net_speech_s >= VOICEPRINT_S:
            expires_at = time.time() + self._store.settings.chime_voiceprint_retention_s
            kept = self._row(job, heard, voiceprint.to_bytes(), VOICEPRINT, expires_at)
            findings = replace(findings, voiceprint=True)
            self._note(job, findings, *told, "search.voiceprint", voiceprints=[kept])
        elif not over:
            return self._wait(job, findings, heard.sound_s, *told)
        elif findings.matches is None:
            raise _too_little(job, net_speech_s)
        else:
            findings = replace(findings, voiceprint=False)
            self._note(job, findings, *told, "search.no_voiceprint")
        return Concluded(document=_document(findings))

    def sweep(self, now: float) -> int:
        """Forget the voiceprints that nobody was enrolled from in time; of how many tasks."""
        swept = 0
        while True:
            with self._store.database.read() as connection:
                due = voiceprint_rows.due(connection, now, _AT_ONCE)
            self._store.vault.forget(*due)
            with self._store.database.write() as connection:
                for job_id in due:
                    voiceprint_rows.replace(connection, job_id, [])
            swept += len(due)
            if len(due) < _AT_ONCE:
                return swept

    def _call(self, job: Job) -> Call:
        return self._service.calls.by_id(job.call_id or "")

    def _search(self, job: Job, voiceprint: Voiceprint) -> tuple[Match, ...]:
        named = self._service.search.search(
            caller_of(job),
            [asked_of(job).gallery_id],
            voiceprint,
            k=_RESULTS,
            false_accept_rate=_FALSE_ACCEPT_RATE,
        )
        return tuple(
            Match(speaker_id=each.speaker_id, probability=each.probability)
            for each in named.alternatives
            if each.speaker_id is not None and each.llr >= named.threshold
        )

    def _wait(self, job: Job, findings: SearchFindings, heard_s: float, *told: str) -> NotYet:
        """Note what is known, and how much sound has to come before more can be."""
        missing_s = max(findings.needed_s - findings.net_speech_s, _GROWTH * heard_s)
        findings = replace(findings, look_at_s=heard_s + missing_s)
        self._note(job, findings, *told)
        call = self._call(job)  # more may have come since
        sound_s, over = _heard(call, job)
        if over or sound_s >= findings.look_at_s:
            return NotYet(heard=call.pieces, until_s=0.0)
        return self._not_yet(call)

    def _not_yet(self, call: Call) -> NotYet:
        idle_at = call.heard_at + self._store.settings.call_idle_s
        return NotYet(heard=call.pieces, until_s=min(idle_at, time.time() + _LATEST_S))

    def _row(
        self, job: Job, heard: Heard, data: bytes, purpose: str, expires_at: float
    ) -> dict[str, Any]:
        """The row of a job's voice, whose ``data`` are sealed."""
        assert heard.voiceprint is not None
        return {
            "job_id": job.id,
            "speaker": _SPEAKER,
            "tenant_id": job.tenant_id,
            "model": heard.voiceprint.model,
            "net_speech_s": heard.net_speech_s,
            "quality": heard.voiceprint.quality,
            "sealed": self._store.vault.seal(job.id, data, purpose=purpose),
            "created_at": time.time(),
            "expires_at": expires_at,
        }

    def _note(
        self,
        job: Job,
        findings: SearchFindings,
        *events: str,
        voiceprints: Sequence[Mapping[str, Any]] | None = (),
    ) -> None:
        """Put on record what is known, and what is to be told of it, unless the job was stopped.

        ``voiceprints`` are all that is kept then; None: what there is.
        """
        now = time.time()
        with self._store.database.write() as connection:
            running = {"updated_at": now}
            if not job_rows.update(connection, job.id, running, state=JobState.RUNNING):
                return
            if voiceprints is not None:
                voiceprint_rows.replace(connection, job.id, voiceprints)
            note_findings(connection, self._store.settings, job, findings, events, now)


def _heard(call: Call, job: Job) -> tuple[float, bool]:
    """Seconds of sound that can be listened to, and whether there will be no more."""
    return call.sound_s[asked_of(job).leg], call.ended_at is not None


def _too_little(job: Job, speech_s: float) -> TooLittleSpeech:
    return TooLittleSpeech(
        f"The call is over, and the {asked_of(job).leg} spoke for {speech_s:.1f} s at most:"
        f" {IDENTIFICATION_S:.0f} s are needed to find out who it is.",
        net_speech_s=speech_s,
        needed_s=IDENTIFICATION_S,
    )


def _serves(job: Job, leg: Leg, heard: Heard) -> bool:
    """Whether a job that listens to this leg can go on with what was heard."""
    findings = SearchFindings.of(job)
    return (
        asked_of(job).leg == leg
        and findings.voiceprint is None
        and heard.net_speech_s >= findings.needed_s
    )


def _searches(job: Job) -> bool:
    """Whether a job has still to search for who the voice is."""
    return SearchFindings.of(job).matches is None


def _document(findings: SearchFindings) -> bytes:
    known = asdict(findings)
    for inner in ("look_at_s", "enrolled"):
        del known[inner]
    return json.dumps({"schema": "earmark.speaker_search/1", **known}).encode()

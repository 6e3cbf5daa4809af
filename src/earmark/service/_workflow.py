"""What running a job comes to: fetch the recording, analyse it, end the job.

Each step tells what it came to as a small dictionary, which DBOS keeps, so that whoever takes over
does not do it again: ``{"error": …}`` ends the job, ``{"later": why}`` puts it off,
``{"stopped": True}`` lets go of it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import BinaryIO

import sqlalchemy as sa
from dbos import error as dbos_error

from earmark import __version__
from earmark.diarization import Diarization
from earmark.errors import DecoderDied, EarmarkError, JobPoisoned, Kind, NotFound
from earmark.models import ModelStore, catalogue
from earmark.service._conclusion import Concluded, Conclusions, NotYet
from earmark.service._download import Downloads
from earmark.service._durable import Outcome, step
from earmark.service._engine import Analysed, AnalysisFailed, Engine, EngineDied, EngineStopped
from earmark.service._engines import Engines
from earmark.service._heard import Heard
from earmark.service._model import Job, JobError, JobKind, JobState, Media
from earmark.service._observe import Observer
from earmark.service._queue import Queue
from earmark.service._service import Service
from earmark.storage import jobs as rows

__all__ = ["Run", "Workflow"]

_log = logging.getLogger(__name__)

_DEATHS = 2  # of its decoder or engine, after which a recording is not tried again
_BEGINNINGS = 10  # of its analysis by workers that died, after which it is not begun again
_GIVE_UP_S = 24 * 3600.0  # after which a job is not put off any more
_REPORT_S = 0.5
_PAUSES_S = (1.0, 2.0, 4.0)  # before what failed for want of storage is tried again
_LATER = frozenset({Kind.UNAVAILABLE, Kind.EXHAUSTED})
_DEFECT = JobError(
    kind=Kind.INTERNAL,
    code="internal",
    message="The job met a defect of Earmark: its operator's log tells more.",
)
_FATAL = JobError(
    kind=JobPoisoned.kind,
    code=JobPoisoned.code,
    message=f"The recording was begun {_BEGINNINGS} times by workers that died while they analysed"
    " it, and is not begun again.",
)


@dataclass(kw_only=True, slots=True, eq=False)
class Run:
    """A job in the hands of this worker, and the engine that it has once it needs one.

    ``fetches`` says that its recording was not in the blob store when it was begun.
    """

    job_id: str
    tenant_id: str
    fetches: bool
    engines: Engines
    engine: Engine | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    again_s: float | None = 30.0  # when to try it again, unless it has ended
    heard: int | None = None  # pieces of sound of the call that it listens to
    ending: bool = False  # the engine is done with it: that the job is over is no reason to stop

    def stop(self) -> None:
        """Let go of the job, now."""
        self.stopped.set()
        if self.engine is not None:
            self.engine.stop()

    def take_engine(self) -> Engine:
        """Wait for an engine, which is then this job's; raises as `Engines.take`."""
        if self.engine is None:
            self.engine = self.engines.take(self.stopped, came_late=self.fetches)
        if self.stopped.is_set():  # it may have been while nobody knew of the engine
            raise EngineStopped("The job was taken away.")
        return self.engine


class _Failed(Exception):
    """The job has failed."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.message)
        self.error = error


class Workflow:
    """The steps, for the jobs that this worker has in hand: ``runs``, by id."""

    def __init__(
        self, service: Service, executor_id: str, runs: Mapping[str, Run], observer: Observer
    ) -> None:
        self._service, self._store = service, service.store
        self._queue = Queue(service.store)
        self._executor_id = executor_id
        self._runs = runs
        self._observer = observer
        self._engine_key = _engine_key(service)
        self._conclusions = Conclusions(service)
        self._downloads = Downloads(service)

    def __call__(self, job_id: str) -> None:
        """Run a job to its end, or until there is nothing to be done about it now."""
        run = self._runs.get(job_id)
        if run is None:
            return
        try:
            job = self._queue.take(job_id, self._executor_id)
            if job is None:
                run.again_s = None
            elif self._queue.attempts(job_id) > _BEGINNINGS:
                run.ending = True
                self._queue.fail(job_id, self._executor_id, _FATAL)
            else:
                run.again_s = self._through(job, run)
        except (EarmarkError, dbos_error.DBOSException, sa.exc.SQLAlchemyError):
            raise  # no storage: what has to be noted cannot be, and the job is tried again
        except Exception:
            _log.exception("The job %s met a defect.", job_id)
            self._queue.fail(job_id, self._executor_id, _DEFECT)
            raise

    def _through(self, job: Job, run: Run) -> float | None:
        """Do the steps; the seconds to put the job off by, None when it is over."""
        fetched = step("fetch", lambda: _expecting(lambda: self._fetch(job, run)))
        came = fetched
        media_id = fetched.get("media_id", job.media_id)
        if not _ends(fetched):
            came = step("analyse", lambda: _expecting(lambda: self._analyse(job, media_id, run)))
        if "stopped" in came:
            return 0.0
        if "until_s" in came:
            run.heard = came["heard"]
            return max(0.0, float(came["until_s"]) - time.time())
        if "later" in came:
            tried_s = time.time() - (job.started_at or job.created_at)
            if tried_s < _GIVE_UP_S:
                _log.warning("The job %s is put off: %s", job.id, came["later"])
                return min(max(1.0, tried_s / 2), rows.LONGEST_WAIT_S)
            came = {"error": came["error"]}
        timings = {**fetched.get("timings", {}), **came.get("timings", {})}
        ended = step("finish", lambda: self._finish(job, run, came, timings))
        return 0.0 if "stopped" in ended else None

    def _fetch(self, job: Job, run: Run) -> Outcome:
        """Bring the recording of a job that names an address into the blob store."""
        if job.url is None or job.media_id is not None:
            return {}
        begun = time.monotonic()
        media = self._downloads.fetch(job, job.url, run.stopped)
        if not self._queue.fetched(job.id, self._executor_id, media.id):
            raise EngineStopped("The job was taken away.")
        return {"media_id": media.id, "timings": {"fetching": time.monotonic() - begun}}

    def _analyse(self, job: Job, media_id: str | None, run: Run) -> Outcome:
        """Make the result document, or find the one that was made before, and store it."""
        begun = time.monotonic()
        audio_s, key = 0.0, None
        concluded: Concluded | NotYet
        if job.kind is JobKind.COMPARE or (job.kind is JobKind.GENDER and media_id is None):
            concluded = self._conclusions.of_voiceprints(job)
        elif job.kind is JobKind.SPEAKER_SEARCH:
            concluded = self._listen(job, run)
        else:
            media = self._queue.recording(media_id)
            key = self._cache_key(job, media)
            found = self._known(job, key) or self._ask(job, lambda: self._open(media), run)
            audio_s, concluded = found.audio_s, self._conclusions.of(job, found.document)
        if isinstance(concluded, NotYet):
            return asdict(concluded)
        analysed = time.monotonic()
        self._queue.report(job.id, self._executor_id, "storing", 99)
        return {
            "blob": self._keep(job, concluded, run),
            "sealed": concluded.sealed,
            "audio_s": audio_s,
            "cache_key": key,
            "timings": {
                "analysing": analysed - begun,
                "storing": time.monotonic() - analysed,
            },
        }

    def _listen(self, job: Job, run: Run) -> Concluded | NotYet:
        """Look whether the call that the job listens to has brought enough sound."""
        search = self._service.speaker_search
        concluded = search.concluded(job)
        if concluded is not None:
            return concluded
        heard = search.told(job)
        if heard is None:
            recording = search.recording(job)
            if isinstance(recording, NotYet):
                return recording
            with recording:
                found = self._ask(job, lambda: _again(recording), run)
            heard = Heard.of(Diarization.from_json(found.document))
        return search.conclude(job, heard)

    def _keep(self, job: Job, concluded: Concluded, run: Run) -> str:
        """Store the result document; its blob."""
        document = concluded.document
        if concluded.sealed:
            document = self._store.vault.seal(job.id, document, purpose="result")
        # The job's id in its name keeps it from the sweeper until the job is over.
        blob = f"results/{job.tenant_id}/{job.id}-{secrets.token_hex(8)}"
        self._insist(run, lambda: self._store.blobs.put(blob, document))
        return blob

    def _known(self, job: Job, key: str | None) -> Analysed | None:
        if key is None:
            return None
        known = self._queue.known(job.tenant_id, key)
        if known is None or known.result_blob is None:
            return None
        try:
            document = self._store.blobs.get(known.result_blob)
        except NotFound:
            return None
        return Analysed(document=document, audio_s=known.audio_s or 0.0)

    def _ask(
        self, job: Job, recording: Callable[[], AbstractContextManager[BinaryIO]], run: Run
    ) -> Analysed:
        """Let the engine analyse a recording; once more, when that made a process die."""
        engine = run.take_engine()
        told_at = -_REPORT_S

        def report(percent: int) -> None:
            nonlocal told_at
            if (now := time.monotonic()) - told_at < _REPORT_S:
                return
            told_at = now
            overall = 2 + round(0.96 * percent)
            if not self._told(job, "analysing", overall):
                run.stop()

        while True:
            try:
                with recording() as file:
                    return engine.run(
                        file, kind=job.kind, options=job.options, name=job.name, on_progress=report
                    )
            except EngineDied as died:
                why = which = str(died)
            except AnalysisFailed as failed:
                if failed.error.code != DecoderDied.code:
                    raise _Failed(failed.error) from failed
                why, which = failed.error.message.rstrip("."), "its decoder"
            deaths = self._queue.crashed(job.id)
            # Not what the client is told, which names the recording.
            _log.error("The job %s made a process die (%d so far): %s", job.id, deaths, which)
            if deaths >= _DEATHS:
                raise JobPoisoned(
                    f"The recording made the process that analyses it die {deaths} times, and is"
                    f" not tried again: {why}."
                )
            engine.start()

    def _told(self, job: Job, stage: str, percent: int) -> bool:
        """Report; what cannot be reported now goes with the next report."""
        try:
            return self._queue.report(job.id, self._executor_id, stage, percent)
        except EarmarkError as error:
            if error.kind not in _LATER:
                raise
            return True

    def _open(self, media: Media) -> BinaryIO:
        try:
            return self._store.blobs.open_file(media.blob)
        except NotFound:
            self._store.blobs.check()  # nothing is found in a store that is away
            raise

    def _insist(self, run: Run, act: Callable[[], None]) -> None:
        """Do what storage may refuse for a moment, a few times."""
        for pause in _PAUSES_S:
            try:
                return act()
            except EarmarkError as error:
                if error.kind not in _LATER or run.stopped.wait(pause):
                    raise
        return act()

    def _finish(self, job: Job, run: Run, came: Outcome, timings: Mapping[str, float]) -> Outcome:
        """End the job with what it came to, however long the database takes to answer."""
        pause = 1.0
        run.ending = True  # before it can be seen that the job is over
        while True:
            try:
                self._end(job, came, timings)
            except EarmarkError as error:
                if error.kind not in _LATER:
                    raise
                _log.warning("The end of the job %s cannot be noted now: %s", job.id, error)
                if run.stopped.wait(pause):
                    return {"stopped": True}
                pause = min(2 * pause, 30.0)
            else:
                return {}

    def _end(self, job: Job, came: Outcome, timings: Mapping[str, float]) -> None:
        if "error" in came:
            state = JobState.FAILED
            told = came["error"]
            error = JobError(kind=Kind(told["kind"]), code=told["code"], message=told["message"])
            ended = self._queue.fail(job.id, self._executor_id, error)
        else:
            state = JobState.SUCCEEDED
            ended = self._queue.succeed(
                job.id,
                self._executor_id,
                result_blob=came["blob"],
                audio_s=came["audio_s"],
                timings=timings,
                cache_key=came["cache_key"],
                sealed=came["sealed"],
            )
        if ended:
            self._observer.job_finished(
                kind=job.kind,
                state=state,
                wait_s=(job.started_at or job.created_at) - job.created_at,
                timings=timings,
                audio_s=came.get("audio_s"),
            )
        elif "blob" in came:
            self._throw_away(job.id, came["blob"])

    def _throw_away(self, job_id: str, blob: str) -> None:
        """Delete a result that came too late, unless it is the very one that the job ended with."""
        with self._store.database.read() as connection:
            row = rows.fetch(connection, job_id)
        if row is None or row["result_blob"] != blob:
            self._store.blobs.delete(blob)

    def _cache_key(self, job: Job, media: Media) -> str | None:
        """What an answer can be found by that was given before; None: it depends on more."""
        if job.options.voiceprints:
            return None
        asked = [self._engine_key, media.sha256, job.kind, asdict(job.options), job.name]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _again(recording: BinaryIO) -> AbstractContextManager[BinaryIO]:
    """The recording, from its beginning; it stays open."""
    recording.seek(0)
    return nullcontext(recording)


def _expecting(act: Callable[[], Outcome]) -> Outcome:
    """What ``act`` came to, also when that is an error that can be expected."""
    try:
        return act()
    except EngineStopped:
        return {"stopped": True}
    except _Failed as failed:
        error = failed.error
    except EarmarkError as raised:
        error = JobError(kind=raised.kind, code=raised.code, message=str(raised))
    if error.kind in _LATER:
        return {"later": error.message, "error": asdict(error)}
    return {"error": asdict(error)}


def _ends(outcome: Outcome) -> bool:
    return any(name in outcome for name in ("error", "later", "stopped"))


def _engine_key(service: Service) -> list[object]:
    """What decides an answer beside the question: this version, its models, and where they run."""
    store = ModelStore(service.settings)
    models = [store.fingerprint(name) for name in catalogue().models]
    return [__version__, service.settings.provider, *models]

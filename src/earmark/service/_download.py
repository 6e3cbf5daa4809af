"""Bringing the recording of a job from the address that it names into the blob store."""

from __future__ import annotations

import logging
import threading

from earmark.errors import FetchError
from earmark.service._engine import EngineStopped
from earmark.service._fetch import fetch
from earmark.service._model import Caller, Job, Media, Scope
from earmark.service._service import Service

__all__ = ["Downloads"]

_log = logging.getLogger(__name__)

_TRIES = 4
_PAUSE_S = 2.0


class Downloads:
    """Downloads that are tried again, and stopped when their job is taken away."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def fetch(self, job: Job, url: str, stopped: threading.Event) -> Media:
        """The recording, which goes with the job.

        Raises `FetchError` when it cannot be had, `EngineStopped` once ``stopped`` is set, and
        what storage raises.
        """
        attempt = 1
        while (media := self._try(job, url, stopped, last=attempt == _TRIES)) is None:
            attempt += 1
        return media

    def _try(self, job: Job, url: str, stopped: threading.Event, *, last: bool) -> Media | None:
        """The recording; None, after a pause, when another try may have it."""
        try:
            return self._download(job, url, stopped)
        except FetchError as error:
            if last or not error.transient:
                raise
            _log.info("The recording of the job %s is fetched again: %s", job.id, error)
            stopped.wait(min(error.retry_after_s or _PAUSE_S, 30.0))
            return None

    def _download(self, job: Job, url: str, stopped: threading.Event) -> Media:
        settings, limit = self._service.settings, job.options.limit_bytes
        most = settings.max_upload_bytes
        caller = Caller(tenant_id=job.tenant_id, key_id=None, scopes=frozenset({Scope.JOBS}))
        with self._service.media.writer(
            caller, dialect=job.dialect, name=job.name, owned=True
        ) as writer:
            for chunk in fetch(
                url,
                http=self._service.http,
                limit_bytes=most if limit is None else min(limit, most),
                timeout_s=settings.fetch_timeout_s,
            ):
                if stopped.is_set():
                    raise EngineStopped("The job was taken away.")
                writer.write(chunk)
            return writer.commit()

"""Bringing the recording of a job from the address that it names into the blob store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from earmark.errors import FetchError
from earmark.service._engine import EngineStopped
from earmark.service._fetch import fetch
from earmark.service._model import Caller, Job, Media, Scope
from earmark.service._service import Service

__all__ = ["Downloads", "download"]

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
        def go_on() -> None:
            if stopped.is_set():
                raise EngineStopped("The job was taken away.")

        return download(
            self._service,
            Caller(tenant_id=job.tenant_id, key_id=None, scopes=frozenset({Scope.JOBS})),
            url,
            dialect=job.dialect,
            name=job.name,
            limit_bytes=job.options.limit_bytes,
            go_on=go_on,
        )


def download(
    service: Service,
    caller: Caller,
    url: str,
    *,
    dialect: str,
    name: str | None = None,
    limit_bytes: int | None = None,
    timeout_s: float | None = None,
    at_once: bool = False,
    go_on: Callable[[], None] = lambda: None,
) -> Media:
    """Bring a recording into the blob store, for a job or a request that is answered ``at_once``.

    ``limit_bytes`` and ``timeout_s`` hold beside what the settings say; ``go_on`` is called for
    every chunk and may raise. Raises what `fetch` and `MediaLibrary.writer` raise.
    """
    settings = service.settings
    with service.media.writer(
        caller, dialect=dialect, name=name, owned=True, at_once=at_once
    ) as writer:
        for chunk in fetch(
            url,
            http=service.http,
            limit_bytes=min(limit_bytes or settings.max_upload_bytes, settings.max_upload_bytes),
            timeout_s=min(timeout_s or settings.fetch_timeout_s, settings.fetch_timeout_s),
        ):
            go_on()
            writer.write(chunk)
        return writer.commit()

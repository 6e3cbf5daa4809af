"""Removing what has been kept for as long as was promised."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import sqlalchemy as sa

from earmark.errors import EarmarkError
from earmark.service._jobs import throw_away
from earmark.service._model import JobState
from earmark.service._service import Service
from earmark.storage import idempotency, job_voiceprints, jobs, sweep_orphans

__all__ = ["Sweeper", "sweep"]

_EVERY_S = 60.0
_ORPHANS_EVERY_S = 3600.0  # lists the whole blob store
_AT_ONCE = 500  # jobs per transaction
_IDEMPOTENCY_S = 7 * 24 * 3600.0
_TOMBSTONE_S = 30 * 24 * 3600.0

_log = logging.getLogger(__name__)


class Sweeper:
    """A thread that sweeps once a minute; several processes may do so at once."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        orphans_at = 0.0
        while not self._stop.is_set():
            now = time.time()
            parts = _PARTS if now < orphans_at else (*_PARTS, *_SELDOM)
            if now >= orphans_at:
                orphans_at = now + _ORPHANS_EVERY_S
            for part in parts:
                # One that fails keeps none of the others from being done: what they remove was
                # promised too.
                try:
                    part(self._service, now)
                except (EarmarkError, OSError, sa.exc.SQLAlchemyError) as error:
                    _log.warning("A part of the sweep failed and is tried again: %s", error)
            self._stop.wait(_EVERY_S)


def sweep(service: Service, now: float) -> None:
    """Remove all that is over its time at ``now``, of every kind."""
    for part in _PARTS:
        part(service, now)


def _sweep_all_jobs(service: Service, now: float) -> None:
    while _sweep_jobs(service, now) == _AT_ONCE:
        pass


def _sweep_idempotency(service: Service, now: float) -> None:
    with service.store.database.write() as connection:
        idempotency.sweep(connection, now - _IDEMPOTENCY_S)


def _sweep_jobs(service: Service, now: float) -> int:
    """Remove jobs whose time is over; how many were found.

    What came through a dialect with a retention of its own is forgotten, as its clients expect.
    A native job leaves a note that it has expired, which is itself forgotten after a month.
    """
    with service.store.database.read() as connection:
        if not jobs.expired(connection, now, _TOMBSTONE_S, 1):
            return 0  # found out without keeping writers waiting
    with service.store.database.write() as connection:
        found = jobs.expired(connection, now, _TOMBSTONE_S, _AT_ONCE)
        jobs.delete(connection, [row["id"] for row in found if _is_forgotten(row)])
        for row in found:
            if not _is_forgotten(row):
                values = {"state": JobState.EXPIRED, "result_blob": None, "updated_at": now}
                none = dict.fromkeys(("media_id", "cache_key", "sealed_blob", "findings"))
                jobs.update(connection, row["id"], {**values, **none})
                job_voiceprints.replace(connection, row["id"], [])
    throw_away(service.store, found)
    return len(found)


def _is_forgotten(row: jobs.Row) -> bool:
    return row["retention_s"] is not None or row["state"] == JobState.EXPIRED


_PARTS: tuple[Callable[[Service, float], object], ...] = (
    _sweep_all_jobs,
    _sweep_idempotency,
    lambda service, now: service.uploads.sweep(now),
    lambda service, now: service.media.sweep(now),
    lambda service, now: service.webhooks.sweep(now),
    lambda service, now: service.calls.sweep(now),
    lambda service, now: service.speaker_search.sweep(now),
    lambda service, now: service.speakers.sweep(now),
    lambda service, _: service.search.indexes.refresh(),
    lambda service, _: service.store.database.flush(),
)
"""What is done in every round."""

_SELDOM: tuple[Callable[[Service, float], object], ...] = (
    lambda service, now: sweep_orphans(service.store.database, service.store.blobs, now),
    lambda service, now: service.store.vault.sweep(now),
)
"""What is done once an hour."""

"""The engines of a worker: started with it, lent to one job at a time, the threads dealt out."""

from __future__ import annotations

import logging
import os
import threading

from earmark.errors import Unavailable
from earmark.service._engine import Engine
from earmark.settings import Settings

__all__ = ["Engines", "slots_of"]

_log = logging.getLogger(__name__)

_MOST_SLOTS = 4


class Engines:
    """All engines of a worker. Safe for threads."""

    def __init__(self, settings: Settings) -> None:
        self._threads = settings.threads or _cores()
        self._all = [Engine(settings, threads=self._threads) for _ in range(slots_of(settings))]
        self._idle = list(self._all)
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start all of them and wait until their models are loaded.

        Raises `Unavailable` when they cannot be.
        """
        for engine in self._all:
            engine.start()
        try:
            for engine in self._all:
                engine.wait()
        except BaseException:
            self.close()
            raise

    @property
    def idle(self) -> int:
        """How many have nothing to do."""
        with self._lock:
            return len(self._idle)

    def take(self) -> Engine:
        """One that has nothing to do; there must be one.

        Raises `Unavailable` when it has to be started and cannot be.
        """
        with self._lock:
            self._idle[-1].start()
            engine = self._idle.pop()
            self._share()
        return engine

    def give_back(self, engine: Engine) -> None:
        """Have one back that is done, and start it again if it is dead."""
        with self._lock:
            self._idle.append(engine)
            self._share()
        if not self._closed:
            try:
                engine.start()
            except Unavailable as error:
                _log.warning("%s", error)  # whoever takes it next tries again

    def _share(self) -> None:
        """Deal out the threads: one recording gets all, several do not fight for the cores."""
        busy = [engine for engine in self._all if engine not in self._idle]
        for engine in busy:
            engine.grant(max(1, self._threads // len(busy)))

    def close(self) -> None:
        """End all of them, at once."""
        self._closed = True
        for engine in self._all:
            engine.stop()
        for engine in self._all:
            engine.close()


def slots_of(settings: Settings) -> int:
    """How many jobs a worker with these settings runs at once."""
    return settings.worker_slots or min(_cores(), _MOST_SLOTS)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

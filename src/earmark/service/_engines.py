"""The engines of a worker: started with it, lent to one job at a time, the threads dealt out."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque

from earmark.errors import Unavailable
from earmark.service._engine import Engine, EngineStopped
from earmark.settings import Settings

__all__ = ["Engines", "slots_of"]

_log = logging.getLogger(__name__)

_MOST_SLOTS = 4
_LOOK_S = 0.25  # how often who waits for an engine is asked whether it still does


class Engines:
    """All engines of a worker. Safe for threads."""

    def __init__(self, settings: Settings, *, slots: int | None = None) -> None:
        """``slots`` is how many there are, by default as many as a worker has."""
        self._threads = settings.threads or _cores()
        count = slots or slots_of(settings)
        self._all = [Engine(settings, threads=self._threads) for _ in range(count)]
        self._idle = list(self._all)
        self._waiting: dict[bool, deque[object]] = {False: deque(), True: deque()}
        self._next_came_late = False
        self._changed = threading.Condition()
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
        with self._changed:
            return len(self._idle)

    def take(self, gone: threading.Event, *, came_late: bool = False) -> Engine:
        """Wait for one that has nothing to do.

        Jobs whose recording had to be fetched first, and so ``came_late``, take turns with the
        others. Raises `EngineStopped` once ``gone`` is set, `Unavailable` when the engine has to
        be started and cannot be.
        """
        place = object()
        queue = self._waiting[came_late]
        with self._changed:
            queue.append(place)
            try:
                while not (self._idle and self._first() is place):
                    if gone.is_set():
                        raise EngineStopped("The job was taken away.")
                    self._changed.wait(_LOOK_S)
                self._next_came_late = not came_late
                self._idle[-1].start()
                engine = self._idle.pop()
            finally:
                queue.remove(place)
                self._changed.notify_all()
            self._share()
        return engine

    def give_back(self, engine: Engine) -> None:
        """Have one back that is done, and start it again if it is dead."""
        with self._changed:
            self._idle.append(engine)
            self._share()
            self._changed.notify_all()
        if not self._closed:
            try:
                engine.start()
            except Unavailable as error:
                _log.warning("%s", error)  # whoever takes it next tries again

    def _first(self) -> object:
        """Whose turn it is, of those who wait."""
        return (self._waiting[self._next_came_late] or self._waiting[not self._next_came_late])[0]

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

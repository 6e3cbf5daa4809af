"""What all live sessions of a process share: the models and the threads that run them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from earmark.errors import Draining
from earmark.live._events import CloseReason
from earmark.live._models import LiveModels
from earmark.models import Runner
from earmark.settings import Settings, get_settings

if TYPE_CHECKING:
    from earmark.live._session import LiveSession

__all__ = ["LiveEngine"]


class LiveEngine:
    """Models and threads for any number of sessions; loaded when the first one needs them.

    ``settings`` say where the models are, what runs them, and how many threads there are (all
    usable cores when they do not say). ``sessions`` are those that use it.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or get_settings()
        self._lock = threading.Lock()
        self._loaded: tuple[LiveModels, Runner] | None = None
        self.sessions: WeakSet[LiveSession] = WeakSet()

    def load(self) -> tuple[LiveModels, Runner]:
        """The models and the runner, loaded now unless they are.

        Raises `ModelError` or `DiskFull` when a model cannot be had, `MissingExtra` when the
        installed ONNX Runtime lacks the provider of the settings.
        """
        with self._lock:
            if self._loaded is None:
                threads = self._settings.threads or _usable_cores()
                with ThreadPoolExecutor(threads) as executor:
                    models = LiveModels.load(self._settings, executor)
                self._loaded = models, Runner(models.networks(), threads=threads)
            return self._loaded

    def close(self) -> None:
        """End all sessions that are open, with `CloseReason.SHUTTING_DOWN`, and the threads."""
        with self._lock:
            loaded, self._loaded = self._loaded, None
            sessions = list(self.sessions)
        for session in sessions:
            session.abandon(CloseReason.SHUTTING_DOWN, "The live engine is shutting down.")
            session.wait()
        if loaded is not None:
            loaded[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def join(self, session: LiveSession, runner: Runner) -> None:
        """Have `close` end this session too, which ``runner`` runs.

        Raises `Draining` when that was closed since it was loaded.
        """
        with self._lock:
            if self._loaded is None or self._loaded[1] is not runner:
                raise Draining("The live engine is shutting down: open the session again later.")
            self.sessions.add(session)


def _usable_cores() -> int:
    """Cores that this process may use; not every system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""What works behind the APIs: the worker, the courier of webhooks, the sweeper."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from earmark.models import ModelStore
from earmark.server._dialects import webhook_formats
from earmark.server._metrics import Metrics
from earmark.service import Courier, Service, Sweeper, Worker

__all__ = ["Background"]


class Background:
    """Threads and processes of one server; ``worker`` is None where others do the work.

    Raises `ModelError` when there is to be one, models are missing, and none may be fetched.
    """

    def __init__(self, service: Service, metrics: Metrics, *, with_worker: bool) -> None:
        self._models = ModelStore(service.settings)
        if with_worker and service.settings.offline:
            self._models.pull()  # what is missing now will not come
        self.worker = Worker(service, metrics) if with_worker else None
        self._courier = Courier(service, webhook_formats(service.settings), observer=metrics)
        self._sweeper = Sweeper(service)
        self._working = False
        self._ending = threading.Event()

    def start(self) -> None:
        """Begin; returns when the worker takes jobs, models that are missing fetched before.

        Raises `ModelError` when they cannot be had, `Unavailable`, and `Canceled` after `cancel`.
        """
        self._courier.start()
        self._sweeper.start()
        if self.worker is not None:
            self._models.pull(on_progress=lambda _: not self._ending.is_set())
            self.worker.start()
            self._working = True

    def cancel(self) -> None:
        """Have `start` give up fetching models."""
        self._ending.set()

    def drain(self, grace_s: float) -> None:
        """Finish or hand back running jobs within ``grace_s`` seconds, and end."""
        with ThreadPoolExecutor() as pool:  # all at once: each may take its time
            ending = [pool.submit(self._courier.stop), pool.submit(self._sweeper.stop)]
            if self.worker is not None and self._working:
                ending.append(pool.submit(self.worker.drain, grace_s))
        for each in ending:
            each.result()

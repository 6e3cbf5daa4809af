"""Driving the work of many at once: whose turn it is, and which asks share a batch.

Work is a generator of asks (see `Ask`), one `Lane` each. A worker thread takes a lane whose answer
has come, runs it to its next ask, and puts that into the queue of its network and shape. Only when
no lane can go on does it answer asks, those that have waited longest and all that may share their
batch. So batches fill by themselves on a busy machine, and nobody waits for one to fill.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.models._asking import Ask

__all__ = ["PAUSE", "Aside", "Lane", "LaneWork", "Network", "Runner"]

Float = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """What answers asks: ``run`` takes up to ``most`` of one shape at once.

    What it answers to one must not depend on the others.
    """

    run: Callable[[Sequence[Float]], Sequence[Float]]
    most: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Aside:
    """An ask whose answer the work does not wait for: it comes to `Lane.asides`, and wakes it."""

    ask: Ask


LaneWork = Generator[Ask | Aside | None, Float | None, None]
"""The work of a lane: it yields asks, and None where there is nothing to do until `Lane.wake`."""

PAUSE = "pause"
"""The network of an ask that only lets others go first; its answer is its own values."""

_CREDIT_S = 1.0  # sound that a lane may be ahead of the clock and still be served first
_PATIENCE_S = 0.8  # that a patient ask waits while there is other work

_log = logging.getLogger("earmark.live")


@dataclass(slots=True, eq=False)
class _Waiting:
    """An ask in the queue, since a time of the clock."""

    lane: Lane
    ask: Ask
    since: float
    aside: bool = False


@dataclass(slots=True, eq=False)
class Lane:
    """One piece of work, which runs on one thread at a time.

    ``on_error`` is called, on a worker's thread, when the work raised something: it is over then.
    """

    runner: Runner
    work: LaneWork
    on_error: Callable[[BaseException], None]
    answer: Float | None = None
    asides: deque[Float] = field(default_factory=deque)
    failure: Exception | None = None  # of an ask aside
    busy: bool = False  # in a queue, or with a worker
    woken: bool = False
    over: bool = False
    spent_until: float = field(default_factory=time.monotonic)

    def wake(self) -> None:
        """There is something to do again; may be called by any thread, at any time."""
        self.runner.wake(self)

    def end(self) -> None:
        """It is over; who was to hear of errors is let go of."""
        self.over, self.on_error = True, _unheard

    def spend(self, seconds: float) -> None:
        """Note that this much sound was dealt with.

        Who has had more than the clock has gone by since waits behind those who have not.
        """
        now = time.monotonic()
        self.spent_until = max(self.spent_until, now - _CREDIT_S) + seconds

    @property
    def ahead(self) -> bool:
        """Whether more was dealt with than could have come in real time."""
        return self.spent_until > time.monotonic() + _CREDIT_S


class Runner:
    """Worker threads, the queues between them, and what answers the asks."""

    def __init__(self, networks: Mapping[str, Network], *, threads: int) -> None:
        self.networks = {PAUSE: Network(run=lambda batch: batch), **networks}
        self._lock = threading.Condition()
        self._ready: tuple[deque[Lane], deque[Lane]] = (deque(), deque())  # on time, ahead
        self._asks: list[_Waiting] = []  # the oldest first
        self._closing = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"earmark-live-{i}", daemon=True)
            for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def lane(self, work: LaneWork, on_error: Callable[[BaseException], None]) -> Lane:
        """A lane for ``work``, which begins when it is woken first."""
        return Lane(self, work, on_error)

    def close(self) -> None:
        """Stop the threads once they have done what they are at; the rest is dropped."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def wake(self, lane: Lane) -> None:
        """See `Lane.wake`."""
        with self._lock:
            self._wake(lane)

    def _wake(self, lane: Lane) -> None:
        lane.woken = True
        if not lane.busy and not lane.over:
            lane.busy = True
            self._make_ready(lane)

    def _make_ready(self, lane: Lane) -> None:
        self._ready[lane.ahead].append(lane)
        self._lock.notify()

    def _serve(self) -> None:
        while True:
            with self._lock:
                while not (chosen := self._choose()):
                    if self._closing:
                        return
                    self._lock.wait()
                if self._closing:
                    return
            if isinstance(chosen, Lane):
                self._advance(chosen)
            else:
                self._run(chosen)

    def _choose(self) -> Lane | list[_Waiting] | None:
        """The next thing to do: lanes on time and their asks, then those ahead, then the patient.

        Called with the lock held.
        """
        on_time, ahead = self._ready
        if on_time:
            return on_time.popleft()
        if batch := self._batch(1):
            return batch
        if ahead:
            return ahead.popleft()
        return self._batch(3)

    def _batch(self, classes: int) -> list[_Waiting]:
        """Take the first ask of the ``classes`` most urgent classes with all that may share."""
        now = time.monotonic()
        best: tuple[int, _Waiting] | None = None
        for one in self._asks:
            urgency = _urgency(one, now)
            if urgency < classes and (best is None or urgency < best[0]):
                best = urgency, one
        if best is None:
            return []
        urgency, first = best
        batch = [first]
        batch += [
            one
            for one in self._asks
            if one is not first
            and one.ask.network == first.ask.network
            and one.ask.values.shape == first.ask.values.shape
            and _urgency(one, now) == urgency
        ][: self.networks[first.ask.network].most - 1]
        taken = set(map(id, batch))
        self._asks = [one for one in self._asks if id(one) not in taken]
        return batch

    def _advance(self, lane: Lane) -> None:
        """Run a lane to its next ask."""
        if lane.failure is not None:
            self._fail(lane, lane.failure)
            return
        answer, lane.answer = lane.answer, None
        lane.woken = False
        try:
            ask = lane.work.send(answer)
            while isinstance(ask, Aside):
                with self._lock:
                    self._asks.append(_Waiting(lane, ask.ask, time.monotonic(), aside=True))
                    self._lock.notify()
                ask = lane.work.send(None)
        except StopIteration:
            lane.end()
            return
        except Exception as error:  # noqa: BLE001 - a defect in one lane's work ends that lane
            self._fail(lane, error)
            return
        with self._lock:
            if ask is not None:
                self._asks.append(_Waiting(lane, ask, time.monotonic()))
                self._lock.notify()
            elif lane.woken:  # meanwhile
                self._make_ready(lane)
            else:
                lane.busy = False

    def _run(self, batch: list[_Waiting]) -> None:
        network = batch[0].ask.network
        try:
            answers = self.networks[network].run([one.ask.values for one in batch])
        except Exception as error:  # noqa: BLE001 - likewise
            if len(batch) == 1 and batch[0].aside:
                with self._lock:  # its work may be going on
                    batch[0].lane.failure = error
                    self._wake(batch[0].lane)
            elif len(batch) == 1:
                self._fail(batch[0].lane, error)
            else:  # one of them may be to blame, but not all
                for one in batch:
                    self._run([one])
            return
        with self._lock:
            for one, answer in zip(batch, answers, strict=True):
                lane = one.lane
                if not one.aside:
                    lane.answer = answer
                    self._make_ready(lane)
                else:
                    lane.asides.append(answer)
                    self._wake(lane)

    def _fail(self, lane: Lane, error: Exception) -> None:
        on_error = lane.on_error
        lane.end()
        try:
            lane.work.close()
            on_error(error)
        except Exception:  # noqa: BLE001 - the thread serves the others
            _log.exception("The end of work that failed could not be told.")


def _unheard(_: BaseException) -> None:
    """Who hears of errors of work that is over."""


def _urgency(waiting: _Waiting, now: float) -> int:
    """0: who is on time; 1: who is ahead of the clock; 2: who can wait, but not for ever."""
    if waiting.ask.patient and now - waiting.since < _PATIENCE_S:
        return 2
    return int(waiting.lane.ahead)

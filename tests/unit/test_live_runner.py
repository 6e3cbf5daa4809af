"""Whose work is done when, and with whom."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.models import Aside, Ask, Lane, LaneWork, Network, Runner

Float = NDArray[np.float32]


class Bench:
    """One worker, a network that notes its batches, and a gate that holds the worker until open."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.gate = threading.Event()
        self.failed: list[BaseException] = []
        self.over = threading.Semaphore(0)
        networks = {"net": Network(run=self._net, most=8), "gate": Network(run=self._gate)}
        self.runner = Runner(networks, threads=1)

    def start(self, *works: LaneWork) -> list[Lane]:
        """Lanes of ``works``, woken in order while the worker is held."""
        holder = self.runner.lane(self._hold(), self.failed.append)
        holder.wake()
        lanes = [self.runner.lane(self._counted(work), self._fail) for work in works]
        for lane in lanes:
            lane.wake()
        return lanes

    def finish(self, count: int) -> None:
        """Open the gate and wait until so many works are over."""
        self.gate.set()
        for _ in range(count):
            assert self.over.acquire(timeout=30)

    def _net(self, batch: Sequence[Float]) -> Sequence[Float]:
        self.batches.append([float(values.flat[0]) for values in batch])
        if any(values.flat[0] < 0 for values in batch):
            raise ValueError("a negative number")
        return [values * 2 for values in batch]

    def _gate(self, batch: Sequence[Float]) -> Sequence[Float]:
        assert self.gate.wait(30)
        return batch

    def _hold(self) -> LaneWork:
        yield Ask(network="gate", values=np.zeros(1, np.float32))

    def _counted(self, work: LaneWork) -> LaneWork:
        yield from work
        self.over.release()

    def _fail(self, error: BaseException) -> None:
        self.failed.append(error)
        self.over.release()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.gate.set()
    bench.runner.close()


def asks(number: float, times: int = 1, *, patient: bool = False, size: int = 1) -> LaneWork:
    """Work that has a number doubled, again and again."""
    for _ in range(times):
        values = np.full(size, number, np.float32)
        answer = yield Ask(network="net", values=values, patient=patient)
        assert answer is not None
        assert (answer == values * 2).all()


def test_asks_of_one_shape_that_wait_together_share_a_batch(bench: Bench) -> None:
    bench.start(asks(1), asks(2), asks(3, size=2), asks(4))
    bench.finish(4)
    assert sorted(map(sorted, bench.batches)) == [[1, 2, 4], [3]]
    assert not bench.failed


def test_each_lane_takes_its_turn(bench: Bench) -> None:
    bench.start(*(asks(n, 3) for n in range(20)))
    bench.finish(20)
    rounds = [n for batch in bench.batches for n in batch]
    seen = Counter[float]()
    for n in rounds:
        seen[n] += 1
        assert seen[n] <= min(seen.get(other, 0) for other in map(float, range(20))) + 2


def test_patient_asks_go_behind_all_others(bench: Bench) -> None:
    bench.start(asks(1, patient=True), asks(2, 5), asks(3, 5))
    bench.finish(3)
    assert bench.batches[-1] == [1]


def test_a_lane_that_is_ahead_of_the_clock_goes_behind_those_on_time(bench: Bench) -> None:
    order: list[str] = []

    def work(name: str, lane: Callable[[], Lane]) -> LaneWork:
        for _ in range(4):
            yield Ask(network="net", values=np.ones(1, np.float32))
            order.append(name)
            lane().spend(0.0 if name == "paced" else 3600.0)

    lanes: list[Lane] = []
    lanes += bench.start(work("flood", lambda: lanes[0]), work("paced", lambda: lanes[1]))
    bench.finish(2)
    assert order.index("flood") < 2  # nobody is ahead at first
    assert order[-3:] == ["flood"] * 3
    assert order.count("paced") == 4


def test_what_fails_ends_its_own_lane_alone(bench: Bench) -> None:
    def broken() -> LaneWork:
        yield from asks(7)
        raise KeyError("a defect")

    bench.start(asks(1, 2), asks(-5), broken(), asks(2, 2))
    bench.finish(4)
    assert sorted(type(error).__name__ for error in bench.failed) == ["KeyError", "ValueError"]


def test_a_lane_that_has_nothing_to_do_goes_on_when_it_is_woken(bench: Bench) -> None:
    came: list[int] = []
    waiting = threading.Semaphore(0)

    def work() -> LaneWork:
        for _ in range(3):
            waiting.release()
            yield None
        came.append(1)

    (lane,) = bench.start(work())
    bench.gate.set()
    for _ in range(3):
        assert waiting.acquire(timeout=30)
        lane.wake()
    bench.finish(1)
    assert came == [1]


@contextmanager
def _running(threads: int) -> Iterator[Runner]:
    double = Network(run=lambda batch: [values * 2 for values in batch])
    runner = Runner({"net": double}, threads=threads)
    try:
        yield runner
    finally:
        runner.close()


def test_wakes_from_many_threads_are_never_lost() -> None:
    total = 300
    over = threading.Event()
    seen: list[int] = []

    def work() -> LaneWork:
        while sum(inbox) > len(seen) or len(seen) < total:
            if sum(inbox) > len(seen):
                seen.append(1)
                yield from asks(1)
            else:
                yield None
        over.set()

    inbox: list[int] = []
    failed: list[BaseException] = []
    with _running(3) as runner:
        lane = runner.lane(work(), failed.append)

        def push() -> None:
            for _ in range(total // 3):
                inbox.append(1)
                lane.wake()

        threads = [threading.Thread(target=push) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert over.wait(30)
    assert len(seen) == total
    assert not failed


def test_the_work_goes_on_while_an_ask_aside_waits_for_its_answer(bench: Bench) -> None:
    told: list[float] = []

    def work() -> LaneWork:
        yield Aside(Ask(network="net", values=np.array([1.0], np.float32), patient=True))
        answer = yield Ask(network="net", values=np.array([[2.0]], np.float32))
        assert answer is not None
        told.append(float(answer.flat[0]))
        while not lane.asides:
            yield None
        told.append(float(lane.asides.popleft().flat[0]))

    (lane,) = bench.start(work())
    bench.finish(1)
    assert told == [4.0, 2.0]
    assert bench.batches == [[2.0], [1.0]]  # who waits goes first


def test_an_ask_aside_that_fails_ends_its_own_work(bench: Bench) -> None:
    def works_aside() -> LaneWork:
        yield Aside(Ask(network="net", values=np.array([-1.0], np.float32)))
        while True:
            yield None

    def other() -> LaneWork:
        yield Ask(network="net", values=np.array([[5.0]], np.float32))

    bench.start(works_aside(), other())
    bench.finish(2)
    assert [str(error) for error in bench.failed] == ["a negative number"]

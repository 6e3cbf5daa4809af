"""Who is served next, and who is turned away, when many wait for one thing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from earmark.errors import Unavailable
from earmark.service._turns import Turns
from waiting import until


@pytest.fixture
def turns() -> Turns:
    return Turns(places=5, places_of_one=3)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


class Callers:
    """Requests that wait in threads; ``served`` is whose turn it was, in order."""

    def __init__(self, turns: Turns, threads: ThreadPoolExecutor) -> None:
        self.turns, self._threads = turns, threads
        self.served: list[str] = []

    def send(self, tenant_id: str) -> Future[None]:
        """One more request, which waits when this returns."""
        before = len(self.turns)
        request = self._threads.submit(self._serve, tenant_id)
        until(lambda: request.done() or len(self.turns) > before, within_s=10, what="a place")
        return request

    def _serve(self, tenant_id: str) -> None:
        with self.turns.turn(tenant_id):
            self.served.append(tenant_id)


def test_tenants_take_turns(turns: Turns, threads: ThreadPoolExecutor) -> None:
    callers = Callers(turns, threads)
    with turns.turn("many"):
        requests = [callers.send(whose) for whose in ("many", "many", "few", "few")]
        assert callers.served == []
    for request in requests:
        request.result(10)
    assert callers.served == ["many", "few", "many", "few"]
    assert len(turns) == 0


def test_one_tenant_has_some_of_the_places(turns: Turns, threads: ThreadPoolExecutor) -> None:
    callers = Callers(turns, threads)
    with turns.turn("many"):
        requests = [callers.send("many"), callers.send("many")]
        with pytest.raises(Unavailable, match="3 requests of yours"):
            callers.send("many").result(10)
        requests += [callers.send("few"), callers.send("other")]
        with pytest.raises(Unavailable, match="5 requests wait"):
            callers.send("third").result(10)
    for request in requests:
        request.result(10)
    callers.send("many").result(10)


def test_a_turn_that_fails_is_over(turns: Turns) -> None:
    with pytest.raises(ZeroDivisionError), turns.turn("one"):
        _ = 1 / 0
    with turns.turn("one"):
        assert len(turns) == 1


def test_who_waits_when_all_is_closed_is_told(turns: Turns, threads: ThreadPoolExecutor) -> None:
    callers = Callers(turns, threads)
    with turns.turn("one"):
        waiting = callers.send("one")
        turns.close()
        with pytest.raises(Unavailable, match="shutting down"):
            waiting.result(10)
    with pytest.raises(Unavailable, match="shutting down"), turns.turn("one"):
        pass
    assert callers.served == []

"""``earmark.live``: sound from any iterable, events with asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import earmark
from earmark.audio import PcmFormat
from earmark.live import (
    CloseReason,
    Ended,
    Event,
    LiveConfig,
    LiveEngine,
    LiveSession,
    TurnUpdate,
    follow,
)
from earmark.models import Runner
from earmark.settings import Settings
from people import RATE, People

TELEPHONE = LiveConfig(format=PcmFormat(sample_rate=RATE))


@pytest.fixture(scope="module")
def engine(models_dir: Path) -> Iterator[LiveEngine]:
    with LiveEngine(Settings(models_dir=models_dir, offline=True, threads=2)) as engine:
        yield engine


@pytest.fixture
def pieces(people: People) -> list[bytes]:
    """4 s of somebody's speech, in pieces of 0.1 s."""
    sound = people.samples("june", 4.0).tobytes()
    return [sound[at : at + RATE // 5] for at in range(0, len(sound), RATE // 5)]


def test_the_module_is_the_function() -> None:
    assert callable(earmark.live)
    assert earmark.live.follow is follow  # type: ignore[attr-defined] # at run time, a module


def test_events_are_those_of_a_session(engine: LiveEngine, pieces: list[bytes]) -> None:
    async def sound() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def followed() -> list[Event]:
        return [event async for event in earmark.live(sound(), TELEPHONE, engine=engine)]

    session = LiveSession(TELEPHONE, engine=engine)
    for piece in pieces:
        session.push(piece)
    session.finish()
    expected = list(session.events())
    assert any(isinstance(event, TurnUpdate) for event in expected)
    assert asyncio.run(followed()) == expected


def test_a_source_may_wait_for_its_sound(engine: LiveEngine, pieces: list[bytes]) -> None:
    """The events of what has come are told meanwhile."""
    heard = threading.Event()

    def sound() -> Iterator[bytes]:
        yield from pieces[:30]
        assert heard.wait(60)
        yield from pieces[30:]

    async def followed() -> Ended:
        last: Event | None = None
        async for event in earmark.live(sound(), TELEPHONE, engine=engine):
            heard.set()
            last = event
        assert isinstance(last, Ended)
        return last

    assert asyncio.run(followed()).reason == CloseReason.FINISHED


def test_what_the_source_raises_is_raised(engine: LiveEngine, pieces: list[bytes]) -> None:
    def sound() -> Iterator[bytes]:
        yield from pieces[:5]
        raise OSError("The microphone is gone.")

    async def followed() -> None:
        async for _ in earmark.live(sound(), TELEPHONE, engine=engine):
            pass

    with pytest.raises(OSError, match="microphone"):
        asyncio.run(followed())


def test_leaving_the_loop_ends_the_session(engine: LiveEngine, pieces: list[bytes]) -> None:
    taken: list[bytes] = []

    def sound() -> Iterator[bytes]:
        while True:
            for piece in pieces:
                taken.append(piece)
                yield piece

    async def followed() -> LiveSession:
        before = list(engine.sessions)
        events = follow(sound(), TELEPHONE, engine=engine)
        assert (await anext(events)).number == 1
        (session,) = set(engine.sessions) - set(before)
        await events.aclose()
        return session

    assert asyncio.run(followed()).wait(60)
    assert len(taken) < 200  # 20 s: no more than what may wait


def test_who_leaves_while_the_session_opens_leaves_none_behind(
    engine: LiveEngine, pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, gate, opened = threading.Event(), threading.Event(), list[LiveSession]()
    load, join = engine.load, engine.join

    def slowly() -> Any:
        entered.set()
        assert gate.wait(30)
        return load()

    def noted(session: LiveSession, runner: Runner) -> None:
        join(session, runner)
        opened.append(session)

    monkeypatch.setattr(engine, "load", slowly)
    monkeypatch.setattr(engine, "join", noted)

    async def followed() -> bool:
        events = follow(pieces, TELEPHONE, engine=engine)
        first = asyncio.ensure_future(anext(events))
        await asyncio.to_thread(entered.wait, 30)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.set()
        while not opened:
            await asyncio.sleep(0.01)
        return await asyncio.to_thread(opened[0].wait, 30)

    assert asyncio.run(followed())

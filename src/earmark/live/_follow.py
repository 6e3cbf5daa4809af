"""Following sound with asyncio: `earmark.live`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress

from earmark.errors import SessionOver
from earmark.live._config import LiveConfig, Recognizer
from earmark.live._engine import LiveEngine
from earmark.live._events import CloseReason, Ended, Event
from earmark.live._session import LiveSession

__all__ = ["follow"]

_BACKLOG_S = 5.0  # of sound that may wait; no more is taken from the source until there is room
_UNREAD = 1000  # events that may wait to be read, likewise
_GONE = "Nobody listens any more."
_LOOK_S = 0.02  # from one look to the next whether there is room


async def follow(
    source: AsyncIterable[bytes] | Iterable[bytes],
    config: LiveConfig | None = None,
    *,
    engine: LiveEngine | None = None,
    recognizer: Recognizer | None = None,
) -> AsyncGenerator[Event, None]:
    """The events of the sound that ``source`` yields as bytes, up to `Ended`.

    The bytes are in the format of the config, cut anywhere. A source that is not asynchronous is
    read on a thread, so it may wait for its sound. It is read no faster than sound is analysed and
    events are read. Closing the iterator ends the session.

    Raises what the source raises, and what `LiveEngine.load` raises.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[Event] = asyncio.Queue()

    def told(event: Event) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is there any more
            loop.call_soon_threadsafe(events.put_nowait, event)

    opening = asyncio.ensure_future(
        asyncio.to_thread(LiveSession, config, engine=engine, recognizer=recognizer, on_event=told)
    )
    try:
        session = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_let_go)  # its thread goes on, and brings a session
        raise
    pump = asyncio.create_task(_pump(source, session, events))
    try:
        while True:
            event = await events.get()
            if isinstance(event, Ended):
                if event.reason == CloseReason.ABANDONED:
                    await pump  # raises what the source did
                yield event
                return
            yield event
    finally:
        pump.cancel()
        session.abandon(CloseReason.ABANDONED, _GONE)
        with suppress(asyncio.CancelledError, Exception):
            await pump


def _let_go(opening: asyncio.Future[LiveSession]) -> None:
    """End the session of somebody who is gone already."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().abandon(CloseReason.ABANDONED, _GONE)


async def _pump(
    source: AsyncIterable[bytes] | Iterable[bytes],
    session: LiveSession,
    events: asyncio.Queue[Event],
) -> None:
    """Push all that the source yields."""
    try:
        async for chunk in _chunks(source):
            session.push(chunk)
            while session.backlog_s > _BACKLOG_S or events.qsize() > _UNREAD:
                await asyncio.sleep(_LOOK_S)
        session.finish()
    except SessionOver:
        pass  # its last event says why
    except BaseException:
        session.abandon(CloseReason.ABANDONED, "The source of the sound failed.")
        raise


async def _chunks(source: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(source, AsyncIterable):
        async for chunk in source:
            yield chunk
    else:
        chunks = iter(source)
        while True:
            following: bytes | None = await asyncio.to_thread(next, chunks, None)
            if following is None:
                return
            yield following

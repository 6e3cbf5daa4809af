"""A live session for asyncio: what every dialect with a stream does with one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from anyio.to_thread import run_sync

from earmark.errors import SessionOver
from earmark.live import CloseReason, Ended, Event, Flushed, LiveConfig
from earmark.service import Caller, IdentifyOptions, LiveStream, Service

__all__ = ["LiveFeed"]

_PATIENCE_S = 10.0
_LOOK_S = 0.02

_Opener = Callable[[Callable[[Event], None], Callable[[], None]], LiveStream]


class LiveFeed:
    """A live session as long as ``async with`` lasts, and its events by ``async for``.

    The events end with `Ended`, or without it once another connection has the session
    (``replaced``). Who leaves before the end abandons the session, or loses it for a while if it
    can be resumed.

    More than ``live_unread_events`` that nobody has taken end the session with `UNREAD`. When the
    end of a session is not taken within some seconds, because whoever should is stuck in sending,
    the body of the ``async with`` is cancelled and `SessionOver` raised. Entering raises what
    `LiveSessions.open` and ``resume`` raise.
    """

    stream: LiveStream
    replaced = False

    def __init__(self, service: Service, opener: _Opener) -> None:
        self._settings = service.settings
        self._most = service.settings.live_unread_events
        self._opener = opener
        self._events: deque[Event] = deque()
        self._more = asyncio.Event()
        self._end: Ended | None = None
        self._unread = False
        self._flushing = False
        self._inside = False

    @classmethod
    def open(
        cls,
        service: Service,
        caller: Caller,
        config: LiveConfig,
        *,
        identify: IdentifyOptions | None = None,
        dialect: str,
        resumable: bool = False,
    ) -> Self:
        """A new session."""

        def opener(
            on_event: Callable[[Event], None], on_replaced: Callable[[], None]
        ) -> LiveStream:
            return service.live.open(
                caller,
                config,
                identify=identify,
                on_event=on_event,
                on_replaced=on_replaced,
                dialect=dialect,
                resumable=resumable,
            )

        return cls(service, opener)

    @classmethod
    def resume(cls, service: Service, caller: Caller, token: str, *, after: int) -> Self:
        """A session that another connection had, from the event after this number on."""

        def opener(
            on_event: Callable[[Event], None], on_replaced: Callable[[], None]
        ) -> LiveStream:
            return service.live.resume(
                caller, token, after=after, on_event=on_event, on_replaced=on_replaced
            )

        return cls(service, opener)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._patience = asyncio.timeout(None)
        await self._patience.__aenter__()
        opening = asyncio.ensure_future(run_sync(self._opener, self._tell, self._tell_replaced))
        try:
            self.stream = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_let_go)  # its thread goes on, and may bring a session
            raise
        self._inside = True
        self._most += len(self._events)  # those that a resumption sends again do not count
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inside = False
        self.stream.lost()
        try:
            await self._patience.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise SessionOver(self._end.message if self._end else str(late)) from late

    async def push(self, data: bytes) -> None:
        """Give sound, when there is room for it; until then whoever calls does not read on.

        What comes after the end is dropped: the events tell why the session is over.
        """
        while not self.stream.over and self.stream.backlog_s > self._settings.live_backlog_s:
            await asyncio.sleep(_LOOK_S)
        if self.stream.over:
            await asyncio.sleep(_LOOK_S)  # who does not care is not to keep us busy
        with suppress(SessionOver):
            self.stream.push(data)

    async def flush(self) -> None:
        """Have all that was pushed analysed; the event `Flushed` follows, before another begins."""
        while self._flushing and self._end is None and not self.replaced:
            await asyncio.sleep(_LOOK_S)
        self._flushing = True
        with suppress(SessionOver):
            self.stream.flush()

    async def finish(self) -> None:
        """Say that no more sound comes."""
        with suppress(SessionOver):
            self.stream.finish()

    def abandon(self, reason: CloseReason, message: str) -> None:
        """End the session now; `Ended` follows."""
        self.stream.abandon(reason, message)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._end is not None or self.replaced:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        event = self._events.popleft()
        if isinstance(event, Ended):
            self._give_up_at(None)
        return event

    def _tell(self, event: Event) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is there any more
            self._loop.call_soon_threadsafe(self._arrived, event)

    def _tell_replaced(self) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._taken_over)

    def _give_up_at(self, at: float | None) -> None:
        if self._inside and not self._patience.expired():
            self._patience.reschedule(at)

    def _arrived(self, event: Event) -> None:
        if self.replaced:
            return
        self._events.append(event)
        self._more.set()
        if isinstance(event, Flushed):
            self._flushing = False
        if isinstance(event, Ended):
            self._end = event
            self._give_up_at(self._loop.time() + _PATIENCE_S)
        if len(self._events) > self._most and self._inside and not self._unread:
            self._unread = True
            self.stream.abandon(
                CloseReason.UNREAD,
                f"More than {self._most} events wait to be read (EARMARK_LIVE_UNREAD_EVENTS).",
            )

    def _taken_over(self) -> None:
        self.replaced = True
        self._events.clear()
        self._more.set()


def _let_go(opening: asyncio.Future[LiveStream]) -> None:
    """Lose the session of somebody who is gone already."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().lost()

"""One live session, and the connection that holds it."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from earmark.errors import SessionOver
from earmark.service._model import Caller
from earmark.settings import Settings

if TYPE_CHECKING:
    from earmark.audio import PcmFormat
    from earmark.diarization import Diarization
    from earmark.live import CloseReason, Event, LiveSession, LiveView
    from earmark.voiceprints import Voiceprint

__all__ = ["Hosted", "LiveStream", "OnEvent", "Teller"]

_BUSY_S = 1.0  # the rest of a step waits for more sound

OnEvent: TypeAlias = Callable[["Event"], None]


def _unheard(_: Event) -> None:
    """Where events of a connection go that is gone."""


class LiveStream:
    """One connection's hold on a live session, until another connection takes it over.

    All methods may be called from any thread, and none waits. After the takeover those that speak
    to the session raise `SessionOver`, or do nothing where they end it.
    """

    def __init__(
        self, hosted: Hosted, on_event: OnEvent, on_replaced: Callable[[], None] | None
    ) -> None:
        self._hosted = hosted
        self.on_event = on_event
        self.on_replaced = on_replaced

    @property
    def id(self) -> str:
        """The session's id."""
        return self._hosted.id

    @property
    def token(self) -> str | None:
        """What resumes the session on another connection; None when nothing does."""
        return self._hosted.token

    @property
    def over(self) -> bool:
        """Whether the session has ended."""
        return self._hosted.over

    @property
    def received_bytes(self) -> int:
        """How much sound has come, on all connections."""
        return self._hosted.received_bytes

    @property
    def backlog_s(self) -> float:
        """Seconds of sound that have come and are not analysed."""
        return self._hosted.backlog_s

    @property
    def heard_s(self) -> float:
        """Seconds of sound that have come."""
        return self._hosted.session.heard_s

    def push(self, data: bytes) -> None:
        """Give more sound. Raises `SessionOver`; too much of it ends the session."""
        self._hosted.push(self, data)

    def flush(self) -> None:
        """Have all that was pushed analysed, as `LiveSession.flush`."""
        self._hosted.flush(self)

    def finish(self) -> None:
        """Say that no more sound comes; again is no error."""
        self._hosted.finish(self)

    def abandon(self, reason: CloseReason, message: str) -> None:
        """End the session now."""
        if self._hosted.holds(self):
            self._hosted.abandon(reason, message)

    def acknowledge(self, number: int) -> None:
        """Events up to this number need not be kept any more."""
        self._hosted.acknowledge(self, number)

    def lost(self) -> None:
        """The connection is gone: the session waits to be resumed, or ends if it cannot be."""
        self._hosted.lost(self)

    def let_go(self) -> None:
        """Forget who was told, so that nothing is kept in memory in a circle."""
        self.on_event, self.on_replaced = _unheard, None

    def snapshot(self) -> LiveView:
        """What is known now, as `LiveSession.snapshot`."""
        return self._hosted.session.snapshot()

    def voices(self) -> Mapping[str, Voiceprint]:
        """By label, as `LiveSession.voices`."""
        return self._hosted.session.voices()

    @property
    def result(self) -> Diarization:
        """The final answer, as `LiveSession.result`."""
        return self._hosted.session.result


class Teller:
    """What a session tells its events; it forgets its host at the end, as `LiveStream.let_go`."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted: Hosted | None = hosted

    def __call__(self, event: Event) -> None:
        hosted = self._hosted
        if hosted is not None:
            hosted.told(event)
            if hosted.over:
                self._hosted = None


class Hosted:
    """A session with what is needed to watch over it, and to go on with it elsewhere.

    ``opened_at`` is seconds since 1970. ``on_over`` is called when the session has ended, and when
    a connection lets go of it.
    """

    on_over: Callable[[Hosted], None]
    session: LiveSession

    def __init__(
        self,
        caller: Caller,
        sound: PcmFormat,
        settings: Settings,
        *,
        dialect: str,
        resumable: bool,
    ) -> None:
        self.id = str(uuid.uuid4())
        self.caller = caller
        self.dialect = dialect
        self.token = secrets.token_urlsafe(32) if resumable else None
        self.opened_at = time.time()
        self.received_bytes = 0
        self._bytes_per_s = sound.frame_bytes * sound.sample_rate
        self._settings = settings
        self._events = threading.RLock()  # told one after another, also to who comes later
        self._pushing = threading.Lock()  # by one connection
        self._kept: deque[Event] = deque(maxlen=settings.live_unread_events if resumable else 0)
        self._told = 0  # the number of the last event
        self._acknowledged = 0
        self._holder: LiveStream | None = None
        self._ready = threading.Event()
        self._heard_at = time.monotonic()
        self._lost_at: float | None = None
        self._finishing = False
        self.end: CloseReason | None = None
        self.counted = False

    @property
    def tenant_id(self) -> str:
        """Whose it is."""
        return self.caller.tenant_id

    @property
    def over(self) -> bool:
        """Whether it has ended, for the reason ``end``."""
        return self.end is not None

    @property
    def held(self) -> bool:
        """Whether a connection holds it."""
        return self._holder is not None

    @property
    def received_s(self) -> float:
        """Seconds of sound that have come."""
        return self.received_bytes / self._bytes_per_s

    @property
    def backlog_s(self) -> float:
        """Seconds of sound that have come and are not analysed."""
        return self.session.backlog_s if self._ready.is_set() else 0.0

    def host(self, session: LiveSession) -> None:
        """Set once, before anything else is asked."""
        self.session = session
        self._ready.set()

    def opens(self, token: str) -> bool:
        """Whether this is the session's token."""
        return (
            self.token is not None
            and self._ready.is_set()
            and secrets.compare_digest(self.token.encode(), token.encode())
        )

    def holds(self, stream: LiveStream) -> bool:
        """Whether this connection has the session now."""
        return self._holder is stream

    def attach(
        self, on_event: OnEvent, on_replaced: Callable[[], None] | None, *, after: int = 0
    ) -> LiveStream:
        """Give the session to a connection, with the events that followed number ``after``."""
        stream = LiveStream(self, on_event, on_replaced)
        with self._pushing, self._events:
            first_kept = self._kept[0].number if self._kept else self._told + 1
            if not first_kept - 1 <= after <= self._told:
                raise SessionOver(
                    f"The events after number {after} cannot be sent again, only those after"
                    f" {first_kept - 1} up to {self._told}: start another session."
                )
            replaced, self._holder = self._holder, stream
            self._lost_at = None
            self._heard_at = time.monotonic()
            for event in self._kept:
                if event.number > after:
                    on_event(event)
        if replaced is not None and replaced.on_replaced is not None:
            replaced.on_replaced()
        return stream

    def told(self, event: Event) -> None:
        """The session tells something: keep it, and pass it on."""
        from earmark.live import Ended

        with self._events:
            self._told = event.number
            self._kept.append(event)
            if isinstance(event, Ended):
                self.end = event.reason
            if self._holder is not None:
                self._holder.on_event(event)
        if self.over:
            self.on_over(self)

    def acknowledge(self, stream: LiveStream, number: int) -> None:
        with self._events:
            if self._holder is not stream:
                return
            self._acknowledged = max(self._acknowledged, min(number, self._told))
            while self._kept and self._kept[0].number <= self._acknowledged:
                self._kept.popleft()

    def push(self, stream: LiveStream, data: bytes) -> None:
        from earmark.live import CloseReason

        with self._pushing:
            self._require(stream)
            self.session.push(data)
            self.received_bytes += len(data)
            self._heard_at = time.monotonic()
        longest_s = self._settings.live_longest_s
        if self.received_s > longest_s:
            self.abandon(
                CloseReason.TOO_LONG,
                f"A live session has {longest_s:g} s of sound at most"
                " (EARMARK_LIVE_LONGEST_S): start another one.",
            )

    def flush(self, stream: LiveStream) -> None:
        with self._pushing:
            self._require(stream)
            self.session.flush()

    def finish(self, stream: LiveStream) -> None:
        with self._pushing:
            self._require(stream)
            if not self._finishing:
                self.session.finish()
                self._finishing = True

    def abandon(self, reason: CloseReason, message: str) -> None:
        """End it, whoever holds it; again does nothing."""
        if self._ready.is_set() and not self.over:
            self.session.abandon(reason, message)

    def lost(self, stream: LiveStream) -> None:
        from earmark.live import CloseReason

        with self._pushing, self._events:
            stream.let_go()
            if self._holder is not stream:
                return
            self._holder = None
            self._lost_at = time.monotonic()
        if self.token is None:
            self.abandon(CloseReason.ABANDONED, "The connection was lost.")
        self.on_over(self)

    def look(self, now: float) -> None:
        """End it when nobody has come back, or no sound has come, for too long."""
        from earmark.live import CloseReason

        if self.over or not self._ready.is_set():
            return
        resume_s, idle_s = self._settings.live_resume_s, self._settings.live_idle_s
        lost_at = self._lost_at
        if self.session.backlog_s > _BUSY_S:
            self._heard_at = now  # who waits for us is not silent
        if lost_at is not None:
            if now - lost_at > resume_s:
                self.abandon(
                    CloseReason.ABANDONED, f"Nobody resumed the session within {resume_s:g} s."
                )
        elif not self._finishing and now - self._heard_at > idle_s:
            self.abandon(
                CloseReason.IDLE,
                f"No sound came for {idle_s:g} s (EARMARK_LIVE_IDLE_S): send silence too, or"
                " finish the session.",
            )

    def forgettable(self, now: float) -> bool:
        """Whether it has ended and nobody can ask for what it told any more."""
        if not self.over:
            return False
        if self.token is None or self._acknowledged >= self._told:
            return self._holder is None
        return self._lost_at is not None and now - self._lost_at > self._settings.live_resume_s

    def _require(self, stream: LiveStream) -> None:
        if self._holder is not stream:
            raise SessionOver("The session goes on with another connection, not this one.")

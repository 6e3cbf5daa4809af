"""One live session: sound in, events out."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE, PcmDecoder
from earmark.diarization import Diarization
from earmark.errors import Conflict, InvalidOption, SessionOver
from earmark.live._config import LiveConfig, Recognizer
from earmark.live._engine import LiveEngine
from earmark.live._events import CloseReason, Ended, Event, Flushed, Stats
from earmark.live._listener import Listener
from earmark.live._view import LiveView
from earmark.models import Aside, Asking, LaneWork
from earmark.voiceprints import Voiceprint

__all__ = ["LiveSession"]

_SLICE_BYTES = 1 << 14  # of sound that is decoded at once

_log = logging.getLogger("earmark.live")


@dataclass(frozen=True, slots=True)
class _Order:
    """What was asked after the bytes pushed before it: a flush, or the end."""

    final: bool


class LiveSession:
    """Push sound, receive events; all methods may be called by any thread.

    ``engine`` is shared by sessions; without one the session has its own, which ends with it.
    ``recognizer`` says who the voices are. ``on_event`` is called with each event, on threads of
    the engine, in order and one at a time; it must not wait. Without it the events are in `events`.

    Raises what `LiveEngine.load` raises, and `Draining` when the engine is being closed.
    """

    def __init__(
        self,
        config: LiveConfig | None = None,
        *,
        engine: LiveEngine | None = None,
        recognizer: Recognizer | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self._config = config or LiveConfig()
        self._queue: SimpleQueue[Event] = SimpleQueue()
        self._queued = on_event is None
        self._on_event = on_event or self._queue.put
        self._lock = threading.Lock()
        self._inbox: deque[bytes | _Order] = deque()
        self._idle = True  # whether all that came was dealt with, as far as can be
        self._closing: tuple[CloseReason, str] | None = None
        self._taking = True
        self._ended = threading.Event()
        self._heard_bytes = 0
        self._number = 0
        self._stats_told = 0
        self._result: Diarization | None = None
        self._behind: Asking[None] | None = None
        shared = engine or LiveEngine()
        self._own_engine = shared if engine is None else None
        models, runner = shared.load()
        self._listener = Listener(self._config, models, recognizer, self._tell)
        self._lane = runner.lane(self._work(), self._fail)
        shared.join(self, runner)

    def push(self, data: bytes) -> None:
        """Add bytes in the format of the config, any number of them.

        Raises `SessionOver` when the session is over, or was told to finish.
        """
        with self._lock:
            self._require_open()
            self._heard_bytes += len(data)
            self._inbox.extend(
                bytes(data[at : at + _SLICE_BYTES]) for at in range(0, len(data), _SLICE_BYTES)
            )
            self._idle = False
        self._lane.wake()

    def flush(self) -> None:
        """Analyse all that was pushed so far without waiting for more; `Flushed` tells when.

        At other rates than 16 kHz, the last 15 to 55 ms are resampled when more follows, and come
        then. The session goes on. Raises `SessionOver` as `push` does.
        """
        self._order(final=False)

    def finish(self) -> None:
        """There is no more sound: the rest is analysed, and `Ended` comes last.

        Raises `SessionOver` as `push` does.
        """
        self._order(final=True)

    def abandon(self, reason: CloseReason, message: str) -> None:
        """Stop as soon as can be; what was pushed and not analysed is dropped.

        `Ended` comes with ``reason`` and ``message``. A session that is over stays as it is.
        """
        with self._lock:
            self._taking = False
            if self._closing is None:
                self._closing = reason, message
        self._lane.wake()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the session has ended; False when that takes longer than ``timeout_s``."""
        return self._ended.wait(timeout_s)

    def events(self) -> Iterator[Event]:
        """The events as they come, up to `Ended`; waits for each.

        Raises `InvalidOption` for a session whose events go to ``on_event``.
        """
        if not self._queued:
            raise InvalidOption("The events of this session go to its on_event.")
        while True:
            event = self._queue.get()
            yield event
            if isinstance(event, Ended):
                return

    @property
    def heard_s(self) -> float:
        """Seconds of sound that were pushed."""
        sound = self._config.format
        return self._heard_bytes / (sound.frame_bytes * sound.sample_rate)

    @property
    def backlog_s(self) -> float:
        """Seconds of sound that were pushed and wait to be analysed.

        The last half second or so is analysed when more follows, and does not count till then.
        """
        if self._idle:
            return 0.0
        return max(0.0, self.heard_s - self._listener.analysed / SAMPLE_RATE)

    def snapshot(self) -> LiveView:
        """All that is known now."""
        listener = self._listener
        with listener.lock:
            identities = dict(listener.naming.identities) if listener.naming else {}
            return LiveView(
                number=self._number,
                at=listener.reached / SAMPLE_RATE,
                turns=listener.turns.known(identities),
                speakers=listener.turns.speakers,
                identities=identities,
            )

    def voices(self) -> dict[str, Voiceprint]:
        """Voiceprints of the default model by label, of those heard clearly enough so far.

        They are made anew as more is heard, at a `flush` and at the end. There are none unless the
        config asks for them, or there is a recognizer.
        """
        naming = self._listener.naming
        return dict(naming.voiceprints) if naming else {}

    @property
    def result(self) -> Diarization:
        """The whole session's turns. Raises `Conflict` unless it has finished."""
        if self._result is None:
            if self._ended.is_set() and self._closing is not None:
                raise Conflict(f"The session ended before its sound did: {self._closing[1]}")
            raise Conflict("The session has not finished: what was said in all is not known yet.")
        return self._result

    def _work(self) -> LaneWork:
        """Deal with what comes until the session is over; runs on threads of the engine."""
        decoder = PcmDecoder(self._config.format)
        while self._closing is None:
            yield from self._go_on_behind()
            item = self._next()
            if item is None:
                yield None
            elif isinstance(item, bytes):
                yield from self._hear(decoder.push(item))
            elif not item.final:
                yield from self._finish_behind()
                if self._closing is None:
                    yield from self._listener.flush()
                    self._tell(Flushed)
            else:
                yield from self._hear(decoder.finish())
                yield from self._finish_behind()
                if self._closing is None:
                    self._result = yield from self._listener.finish()
                    self._closing = CloseReason.FINISHED, "All sound was analysed."
        self._end(*self._closing)

    def _hear(self, samples: NDArray[np.float32]) -> LaneWork:
        self._listener.add(samples)
        while self._listener.ready and self._closing is None:
            if self._listener.due:
                yield from self._finish_behind()
                if self._closing is not None:
                    return
            yield from self._listener.step()
            yield from self._go_on_behind()
            self._lane.spend(self._listener.step_s)
            self._tell_stats()

    def _go_on_behind(self) -> LaneWork:
        """Do what steps need not wait for, as far as its asks have been answered."""
        answers = self._lane.asides
        while self._behind is None or answers:
            answer = None
            if self._behind is None:
                self._behind = self._listener.behind()
                if self._behind is None:
                    return
            else:
                answer = answers.popleft()
            try:
                ask = self._behind.send(answer)  # type: ignore[arg-type] # None begins it
            except StopIteration:
                self._behind = None
            else:
                yield Aside(ask)

    def _finish_behind(self) -> LaneWork:
        """Wait until all of that is done, or the session is to be closed."""
        yield from self._go_on_behind()
        while self._behind is not None and self._closing is None:
            yield None
            yield from self._go_on_behind()

    def _next(self) -> bytes | _Order | None:
        """What to deal with next; None: nothing yet."""
        with self._lock:
            self._idle = not self._inbox
            return self._inbox.popleft() if self._inbox else None

    def _tell_stats(self) -> None:
        due = int(self._listener.analysed / SAMPLE_RATE / self._config.stats_s)
        if due > self._stats_told:
            self._stats_told = due
            turns = self._listener.turns
            self._tell(
                Stats,
                heard=round(self.heard_s, 3),
                backlog=round(self.backlog_s, 3),
                speech=round(turns.speech_s, 3),
                speakers=turns.count,
            )

    def _tell(self, kind: Callable[..., Event], **values: Any) -> None:
        self._number += 1
        at = self._listener.reached / SAMPLE_RATE
        self._on_event(kind(number=self._number, at=at, **values))

    def _order(self, *, final: bool) -> None:
        with self._lock:
            self._require_open()
            self._taking = not final
            self._inbox.append(_Order(final))
            self._idle = False
        self._lane.wake()

    def _require_open(self) -> None:
        if not self._taking:
            raise SessionOver("The session is over and takes no more sound: open another one.")

    def _end(self, reason: CloseReason, message: str) -> None:
        with self._lock:
            self._taking = False
            self._closing = reason, message
            self._inbox.clear()
            self._idle = True
        try:
            self._tell(Ended, reason=reason, message=message)
        finally:
            self._listener.close()
            self._ended.set()
            if self._own_engine is not None:
                self._own_engine.close()

    def _fail(self, error: BaseException) -> None:
        """The work raised something: a defect, which ends this session alone."""
        _log.error("A live session met a defect and was ended.", exc_info=error)
        if not self._ended.is_set():
            self._end(CloseReason.FAILED, "The engine met a defect; the session cannot go on.")

"""One live session: sound in, events out."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE, PcmDecoder
from earmark.diarization import Diarization
from earmark.errors import Conflict, InvalidOption, SessionOver
from earmark.live._changes import HOP_S, HOP_SAMPLES, Change, CleanSpeech, Merge, SpeechEdge
from earmark.live._config import LiveConfig, Recognizer
from earmark.live._engine import LiveEngine
from earmark.live._events import (
    CloseReason,
    Ended,
    Event,
    Flushed,
    Identity,
    Relabel,
    RelabelReason,
    SpeechEnded,
    SpeechStarted,
    Stats,
    TurnUpdate,
)
from earmark.live._tracker_first import Tracker
from earmark.live._turns import TurnTable
from earmark.live._view import LiveView
from earmark.models import Asking
from earmark.models._batching import LaneWork
from earmark.voiceprints import Voiceprint

__all__ = ["LiveSession"]

Float = NDArray[np.float32]

_log = logging.getLogger("earmark.live")


@dataclass(frozen=True, slots=True)
class _Order:
    """What comes after the bytes pushed before it: a flush, or the end."""

    final: bool


class LiveSession:
    """Push sound, receive events; all methods may be called by any thread.

    ``engine`` is shared by sessions; without one the session has its own, which ends with it.
    ``recognizer`` says who the voices are. ``on_event`` is called with each event, on threads of
    the engine, in order and one at a time; it must not block for long. Without it the events wait
    in `events`.

    Raises what `LiveEngine.load` raises.
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
        self._own_engine = LiveEngine() if engine is None else None
        engine = engine or self._own_engine
        assert engine is not None
        self._events: SimpleQueue[Event] | None = None if on_event else SimpleQueue()
        self._on_event = on_event or self._events.put  # type: ignore[union-attr]
        self._lock = threading.Lock()
        self._inbox: deque[bytes | _Order] = deque()
        self._closing: tuple[CloseReason, str] | None = None
        self._taking = True
        self._ended = threading.Event()
        self._heard_bytes = 0
        self._analysed = 0  # samples
        self._number = 0
        self._stats_told = 0
        self._turns = TurnTable()
        self._identities: dict[str, Identity | None] = {}
        self._result: Diarization | None = None
        self._recognizer = recognizer
        models, runner = engine.load()
        self._tracker = Tracker(self._config, models.tracking) if self._config.turns else None
        self._lane = runner.lane(self._work(), self._fail)
        engine.join(self)

    # -- sound in ---------------------------------------------------------------------------------

    def push(self, data: bytes) -> None:
        """Add bytes in the format of the config, any number of them.

        Raises `SessionOver` when the session is over, or is told to finish.
        """
        with self._lock:
            self._require_open()
            self._heard_bytes += len(data)
            self._inbox.append(bytes(data))
        self._lane.wake()

    def flush(self) -> None:
        """Analyse all that was pushed so far without waiting for more; `Flushed` tells when.

        The session goes on. Raises `SessionOver` as `push` does.
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

    # -- what comes out ---------------------------------------------------------------------------

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the session has ended; False when that takes longer than ``timeout_s``."""
        return self._ended.wait(timeout_s)

    def events(self) -> Iterator[Event]:
        """The events as they come, up to `Ended`; waits for each.

        Raises `InvalidOption` for a session whose events go to ``on_event``.
        """
        if self._events is None:
            raise InvalidOption("The events of this session go to its on_event.")
        while True:
            event = self._events.get()
            yield event
            if isinstance(event, Ended):
                return

    @property
    def heard_s(self) -> float:
        """Seconds of sound that were pushed."""
        frames = self._heard_bytes / self._config.format.frame_bytes
        return frames / self._config.format.sample_rate

    @property
    def backlog_s(self) -> float:
        """Seconds that were pushed and are not analysed yet."""
        return max(0.0, self.heard_s - self._analysed / SAMPLE_RATE)

    def snapshot(self) -> LiveView:
        """All that is known now."""
        with self._lock:
            return LiveView(
                number=self._number,
                at=self._analysed / SAMPLE_RATE,
                turns=self._turns.known(self._identities),
                speakers=self._turns.speakers,
                identities=dict(self._identities),
            )

    def voices(self) -> Mapping[str, Voiceprint]:
        """Voiceprints of the default model by label, of those heard clearly enough so far.

        There are none unless the config asks for them, or there is a recognizer.
        """
        return {}

    @property
    def result(self) -> Diarization:
        """The whole session's turns. Raises `Conflict` unless it has finished."""
        if self._result is None:
            raise Conflict("The session has not finished: its turns are not known to the end.")
        return self._result

    # -- the work, on threads of the engine -------------------------------------------------------

    def _work(self) -> LaneWork:
        """Deal with what comes until the session is over."""
        decoder = PcmDecoder(self._config.format)
        rest = np.zeros(0, np.float32)
        while self._closing is None:
            item = self._next()
            if item is None:
                yield None
                continue
            if isinstance(item, bytes):
                rest = np.concatenate([rest, decoder.push(item)])
            elif item.final:
                rest = np.concatenate([rest, decoder.finish()])
            while len(rest) >= HOP_SAMPLES and self._closing is None:
                hop, rest = rest[:HOP_SAMPLES], rest[HOP_SAMPLES:]
                yield from self._hear(hop)
            if isinstance(item, _Order):
                if item.final:
                    yield from self._hear_last(rest)
                    self._end(CloseReason.FINISHED, "All sound was analysed.")
                    return
                yield from self._peek(rest)
        self._end(*self._closing)

    def _next(self) -> bytes | _Order | None:
        """What to deal with next; None: nothing yet."""
        with self._lock:
            return self._inbox.popleft() if self._inbox else None

    def _hear(self, hop: Float) -> Asking[None]:
        changes: list[Change] = []
        if self._tracker is not None:
            changes = yield from self._tracker.step(hop)
        with self._lock:
            self._analysed += len(hop)
        self._lane.spend(HOP_S)
        self._take(changes)
        self._tell_stats()

    def _peek(self, rest: Float) -> Asking[None]:
        if self._tracker is not None:
            self._take((yield from self._tracker.flush(rest)))
        self._tell(Flushed)

    def _hear_last(self, rest: Float) -> Asking[None]:
        if self._tracker is not None:
            changes, result = yield from self._tracker.finish(rest)
        else:
            changes, result = [], Diarization(turns=(), exclusive=(), duration=0.0)
        with self._lock:
            self._analysed += len(rest)
            self._result = result
        self._take(changes)

    def _take(self, changes: list[Change]) -> None:
        """Note changes and tell them."""
        for change in changes:
            match change:
                case SpeechEdge(time=time, active=True):
                    self._tell(SpeechStarted, start=time)
                case SpeechEdge(time=time):
                    self._tell(SpeechEnded, end=time)
                case Merge():
                    with self._lock:
                        self._turns.merge(change)
                    self._tell(
                        Relabel,
                        source=change.source,
                        target=change.target,
                        since=change.since,
                        reason=RelabelReason.MERGED,
                    )
                case CleanSpeech():
                    pass
                case _:
                    with self._lock:
                        revision = self._turns.set(change)
                    identity = self._identities.get(change.speaker)
                    self._tell(
                        TurnUpdate,
                        turn=change.turn,
                        revision=revision,
                        state=change.state,
                        start=change.start,
                        end=change.end,
                        speaker=change.speaker,
                        name=None if identity is None else identity.name,
                        going=change.going,
                        confidence=change.confidence,
                    )

    def _tell_stats(self) -> None:
        due = int(self._analysed / SAMPLE_RATE / self._config.stats_s)
        if due > self._stats_told:
            self._stats_told = due
            self._tell(
                Stats,
                heard=self.heard_s,
                backlog=self.backlog_s,
                speech=self._turns.speech_s,
                speakers=len(self._turns.speakers),
            )

    def _tell(self, kind: Callable[..., Event], **values: Any) -> None:
        with self._lock:
            self._number += 1
            number = self._number
        self._on_event(kind(number=number, at=self._analysed / SAMPLE_RATE, **values))

    # -- the end ----------------------------------------------------------------------------------

    def _order(self, *, final: bool) -> None:
        with self._lock:
            self._require_open()
            self._taking = not final
            self._inbox.append(_Order(final))
        self._lane.wake()

    def _require_open(self) -> None:
        if not self._taking:
            raise SessionOver("The session is over and takes no more sound: open another one.")

    def _end(self, reason: CloseReason, message: str) -> None:
        with self._lock:
            self._taking = False
            self._inbox.clear()
        try:
            self._tell(Ended, reason=reason, message=message)
        finally:
            self._ended.set()
            if self._own_engine is not None:
                self._own_engine.close()

    def _fail(self, error: BaseException) -> None:
        """The work raised something: a defect, which ends this session alone."""
        _log.error("A live session met a defect and was ended.", exc_info=error)
        if not self._ended.is_set():
            self._end(CloseReason.FAILED, "The engine met a defect; the session cannot go on.")

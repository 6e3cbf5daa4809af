"""Listening to one leg of a call while it comes, for the tasks that wait for its voice."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from earmark.diarization import Diarization, Turn
from earmark.errors import EarmarkError, SessionOver
from earmark.service._call_sound import joined
from earmark.service._calls import Call
from earmark.service._heard import Heard
from earmark.service._model import Caller, Leg, Scope
from earmark.service._search_findings import IDENTIFICATION_S

if TYPE_CHECKING:
    from earmark.live import Event, LiveView
    from earmark.service._live_stream import LiveStream
    from earmark.service._service import Service
    from earmark.voiceprints import Voiceprint

__all__ = ["LegListener"]

_CATCH_UP_S = 120.0  # of stored sound are heard first; a longer call is read where it is stored
_STATS_S = 0.5
_PLENTY = 1.05  # times the net speech that is needed, in turns: there is enough in all likelihood
_NEVER = float("inf")
_AGAIN_S = 2.0  # after which a task that still waits is told again

_log = logging.getLogger(__name__)


class LegListener:
    """A live session of one leg. It is for one thread; what it hears is told on others."""

    def __init__(self, service: Service, call: Call, leg: Leg, tellers: ThreadPoolExecutor) -> None:
        self._service, self._call, self._leg = service, call, leg
        self._tellers = tellers
        self._stream: LiveStream
        self._lock = threading.Lock()
        self._needed_s = _NEVER
        self._speech_s = 0.0  # so far
        self._look_at_s = _NEVER  # how much speech there has to be before it is worth a look
        self._looking = False
        self._told_at = 0.0
        self.over = False
        self.asks_to_store = False  # what has come: it is time to read all that is stored

    @classmethod
    def open(
        cls, service: Service, caller: Caller, call: Call, leg: Leg, tellers: ThreadPoolExecutor
    ) -> Self | None:
        """Listen to a leg from its beginning; ``tellers`` are threads to tell tasks on.

        None where that cannot be: too much has been said already, or there are as many live
        sessions as there may be. The tasks then listen to what is stored.
        """
        from earmark.audio import Encoding, PcmFormat
        from earmark.live import LiveConfig

        if call.sound_s[leg] > _CATCH_UP_S:
            return None
        listener = cls(service, call, leg, tellers)
        config = LiveConfig(
            format=PcmFormat(encoding=Encoding.PCM_F32LE), voiceprints=True, stats_s=_STATS_S
        )
        listening = Caller(
            tenant_id=caller.tenant_id, key_id=caller.key_id, scopes=frozenset({Scope.LIVE})
        )
        try:
            listener._stream = service.live.open(
                listening, config, on_event=listener._noticed, dialect="calls"
            )
            try:
                for samples in joined(service.calls.pieces(call, leg), leg, service.settings):
                    listener.push(samples)
            except BaseException:
                listener.close()
                raise
        except EarmarkError as error:
            _log.info("A call is not listened to while it comes: %s", error)
            return None
        return listener

    @property
    def backlog_s(self) -> float:
        """Seconds of sound that were not listened to yet."""
        return 0.0 if self.over else self._stream.backlog_s

    def push(self, samples: NDArray[np.float32]) -> None:
        """More sound: [n] at 16 kHz."""
        if not self.over:
            try:
                self._stream.push(samples.astype("<f4").tobytes())
            except SessionOver:
                self.over = True

    def want(self, needed_s: float) -> None:
        """Tell the tasks once this much net speech was heard; again, if they have not gone on.

        All that was pushed is stored by now.
        """
        if self.asks_to_store:
            self.asks_to_store = False
            self._tellers.submit(self._wake, needed_s)
        with self._lock:
            told = self._look_at_s == _NEVER and time.monotonic() > self._told_at + _AGAIN_S
            if told or needed_s != self._needed_s:
                self._needed_s = needed_s
                self._look_at_s = needed_s if self._searching else _PLENTY * needed_s
        self._consider()

    def close(self) -> None:
        """Listen no more."""
        self.over = True
        self._stream.lost()

    def _noticed(self, event: Event) -> None:
        from earmark.live import Ended, Flushed, Stats

        if isinstance(event, Ended):
            self.over = True
        elif isinstance(event, Stats):
            self._speech_s = event.speech
            self._consider()
        elif isinstance(event, Flushed):
            self._tellers.submit(self._look)

    @property
    def _searching(self) -> bool:
        """Whether a task waits for the voice as heard here, and not to read what is stored."""
        return self._needed_s == IDENTIFICATION_S

    def _consider(self) -> None:
        """Look whether there is enough, if there may be."""
        with self._lock:
            if self.over or self._looking or self._speech_s < self._look_at_s:
                return
            if not self._searching:
                self._noted_enough()
                self.asks_to_store = True
                return
            self._looking = True
        with suppress(SessionOver):
            self._stream.flush()  # so that voiceprints are made of all that has come

    def _look(self) -> None:
        """Tell the tasks what was heard, if that is enough; or to read what is stored."""
        try:
            if self.over:
                return
            heard, talk_s = _heard(self._stream.snapshot(), self._stream.voices())
            missing_s = self._needed_s - heard.net_speech_s
            with self._lock:
                if missing_s <= 0:
                    self._noted_enough()
                elif talk_s >= _PLENTY * self._needed_s:
                    self._noted_enough()
                    self.asks_to_store = True
                else:
                    self._look_at_s = self._speech_s + max(_STATS_S, min(missing_s, 1.0))
            if missing_s <= 0:
                self._service.speaker_search.tell(self._call, self._leg, heard)
        except EarmarkError as error:  # storage is away: the tasks are told again
            _log.warning("What was heard of a call cannot be told now: %s", error)
        finally:
            self._looking = False

    def _noted_enough(self) -> None:
        self._look_at_s, self._told_at = _NEVER, time.monotonic()

    def _wake(self, speech_s: float) -> None:
        try:
            self._service.speaker_search.wake(self._call, self._leg, speech_s)
        except EarmarkError as error:
            _log.warning("A task that listens to a call cannot be woken now: %s", error)


def _heard(view: LiveView, voices: Mapping[str, Voiceprint]) -> tuple[Heard, float]:
    """What is known of a leg now, and how many seconds the person speaks who speaks most."""
    turns = tuple(
        Turn(start=each.start, end=each.end, speaker=each.speaker)
        for each in view.turns
        if each.end - each.start >= 0.001
    )
    talk_s: defaultdict[str, float] = defaultdict(float)
    for turn in turns:
        talk_s[turn.speaker] += turn.duration
    known = {label: each for label, each in voices.items() if label in talk_s}
    diarization = Diarization(turns=turns, exclusive=(), duration=view.at, voiceprints=known)
    return Heard.of(diarization), max(talk_s.values(), default=0.0)

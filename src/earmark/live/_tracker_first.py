"""A first tracker."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._models import Models
from earmark.diarization._result import Diarization
from earmark.diarization._turn import Turn, one_at_a_time
from earmark.live._changes import HOP_S, Change, CleanSpeech, SpeechEdge, TurnChange
from earmark.live._config import LiveConfig
from earmark.live._events import TurnState
from earmark.models import Ask, Asking
from earmark.voiceprints import pool, unit

Float = NDArray[np.float32]


class Tracker:
    def __init__(self, config: LiveConfig, models: Models) -> None:
        self._models = models
        self._most = config.speakers or config.max_speakers or 20
        self._sound = np.zeros(0, np.float32)
        self._position = 0
        self._speaking = False
        self._turns: list[Turn] = []
        self._open = False
        self._last = 0.0
        self._sums: list[Float] = []

    def step(self, samples: Float) -> Asking[list[Change]]:
        return self._hear(samples)

    def flush(self, rest: Float) -> Asking[list[Change]]:
        del rest
        return []
        yield

    def finish(self, rest: Float) -> Asking[tuple[list[Change], Diarization]]:
        changes: list[Change] = []
        if len(rest) >= 4000:
            changes = yield from self._hear(rest)
        changes += self._end()
        if self._speaking:
            changes.append(SpeechEdge(time=self._position / 16000, active=False))
        turns = tuple(self._turns)
        return changes, Diarization(
            turns=turns, exclusive=one_at_a_time(turns), duration=self._position / 16000
        )

    def _hear(self, samples: Float) -> Asking[list[Change]]:
        start = self._position / 16000
        self._position += len(samples)
        end = self._position / 16000
        self._sound = np.concatenate([self._sound, samples])[-80_000:]
        window = np.zeros(80_000, np.float32)
        window[-len(self._sound) :] = self._sound
        probabilities = yield Ask(network="segmentation", values=window)
        speech = float(1 - probabilities[-round(HOP_S / 0.016875) :, 0].mean())
        changes: list[Change] = []
        if (speech > 0.5) != self._speaking:
            self._speaking = not self._speaking
            changes.append(SpeechEdge(time=start, active=self._speaking))
        if not self._speaking or len(self._sound) < 24_000:
            return changes + self._end()
        features = self._models.features(self._sound[-24_000:])
        frames = yield Ask(network="campplus", values=features)
        (network,) = (each for each in self._models.networks if each.name == "campplus")
        vector = network.embed(pool(frames, np.array([[0, 0, len(frames)]]), 1))[0]
        label = self._label(vector)
        if self._open and self._turns[-1].speaker != label:
            changes += self._end()
        if self._open:
            last = self._turns[-1]
            self._turns[-1] = Turn(start=last.start, end=end, speaker=label)
        else:
            self._turns.append(Turn(start=start, end=end, speaker=label))
            self._open = True
        changes.append(self._told(TurnState.PROVISIONAL, going=True))
        changes.append(CleanSpeech(speaker=label, start=start, end=end, confirmed=False))
        return changes

    def _told(self, state: TurnState, *, going: bool) -> TurnChange:
        last = self._turns[-1]
        return TurnChange(
            turn=len(self._turns),
            state=state,
            start=last.start,
            end=last.end,
            speaker=last.speaker,
            going=going,
        )

    def _end(self) -> list[Change]:
        if not self._open:
            return []
        self._open = False
        last = self._turns[-1]
        return [
            self._told(TurnState.CONFIRMED, going=False),
            CleanSpeech(speaker=last.speaker, start=last.start, end=last.end, confirmed=True),
        ]

    def _label(self, vector: Float) -> str:
        cosines = [float(unit(each[None])[0] @ vector) for each in self._sums]
        if not cosines or (max(cosines) < 0.45 and len(cosines) < self._most):
            self._sums.append(vector.copy())
            return f"SPEAKER_{len(self._sums) - 1:02d}"
        best = int(np.argmax(cosines))
        self._sums[best] += vector
        return f"SPEAKER_{best:02d}"

"""What a session makes of its sound: tracking, naming and traits, put into events.

All of it is a function of the samples, and of where they were flushed.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.diarization import Diarization
from earmark.diarization.parts import FRAME_SAMPLES
from earmark.live._changes import HOP_SAMPLES, Change, CleanSpeech, Merge, SpeechEdge, TurnChange
from earmark.live._config import LiveConfig, Recognizer
from earmark.live._events import (
    Relabel,
    RelabelReason,
    SpeakerIdentified,
    SpeechEnded,
    SpeechStarted,
    TraitsTold,
    TurnState,
    TurnUpdate,
)
from earmark.live._models import LiveModels
from earmark.live._naming import Naming
from earmark.live._tracker import Tracker
from earmark.live._traits import Traits
from earmark.live._turns import TurnTable
from earmark.models import Asking
from earmark.traits import TraitReport

__all__ = ["Listener", "Tell"]

Float = NDArray[np.float32]

Tell = Callable[..., None]
"""Called with the class of an `Event` and its values, but for its number and time."""

_RATE = 16_000


class Listener:
    """Give it sound, and have it taken step by step; it calls ``tell`` with what it finds.

    Its work is for one thread at a time. ``turns`` may be read by others with ``lock`` held.
    ``analysed`` is how many samples have been, ``reached`` how many with those that were flushed.
    """

    def __init__(
        self, config: LiveConfig, models: LiveModels, recognizer: Recognizer | None, tell: Tell
    ) -> None:
        self.lock = threading.Lock()
        self.turns = TurnTable()
        self.naming: Naming | None = None
        self.analysed = self.reached = 0
        self._tell = tell
        self._tracker = Tracker(config, models.tracking) if config.turns else None
        if config.turns and (config.voiceprints or recognizer is not None):
            self.naming = Naming(models.voiceprints, recognizer)
        self._traits: Traits | None = None
        if config.traits is not None:
            turns = self.turns if config.turns else None
            self._traits = Traits(models.traits, config.traits, turns)
        self._step = (self._traits and self._traits.hop) or HOP_SAMPLES
        self._coming = np.zeros(0, np.float32)  # less than a step
        self._known_to_traits = 0  # samples of it, after a flush
        self._untracked = np.zeros(0, np.float32)  # less than a hop
        self._looked = 0  # frames that the tracker has looked at

    @property
    def step_s(self) -> float:
        """Seconds of sound that one step deals with."""
        return self._step / _RATE

    def add(self, samples: Float) -> None:
        """The next samples; they wait for `step`."""
        self._coming = np.concatenate([self._coming, samples])

    @property
    def ready(self) -> bool:
        """Whether there is enough sound for a step."""
        return len(self._coming) >= self._step

    def behind(self) -> Asking[None] | None:
        """Work that steps need not wait for, if there is any, but for one that is `due`."""
        return None if self._tracker is None else self._tracker.behind()

    @property
    def due(self) -> bool:
        """Whether the next step needs all `behind` to be done; `flush` and `finish` always do."""
        hops = (len(self._untracked) + self._step) // HOP_SAMPLES
        return self._tracker is not None and self._tracker.due(hops)

    def step(self) -> Asking[None]:
        """Analyse the next step and tell what it brings."""
        step, self._coming = self._coming[: self._step], self._coming[self._step :]
        self._untracked = np.concatenate([self._untracked, step])
        self.analysed += len(step)
        self.reached = self.analysed
        while len(self._untracked) >= HOP_SAMPLES:
            hop, self._untracked = self._untracked[:HOP_SAMPLES], self._untracked[HOP_SAMPLES:]
            if self._tracker is not None:
                end = self.analysed - len(self._untracked)
                if self.naming is not None:
                    self.naming.voices.hear(hop, end)
                self._looked = end // FRAME_SAMPLES
                self._take((yield from self._tracker.step(hop)))
                self._take((yield from self._tracker.settle()))
                yield from self._name()
        if self._traits is not None:
            known, self._known_to_traits = self._known_to_traits, 0
            self._tell_traits((yield from self._traits.step(step[known:])))

    def flush(self) -> Asking[None]:
        """Tell what can be told of all samples so far; more may follow."""
        rest = np.concatenate([self._untracked, self._coming])
        self.reached = self.analysed + len(self._coming)
        if self.naming is not None:
            self.naming.voices.hear(rest, self.reached)
        if self._tracker is not None and self.reached // FRAME_SAMPLES > self._looked:
            self._looked = self.reached // FRAME_SAMPLES
            self._take((yield from self._tracker.flush(rest)))
        yield from self._name(everything=True)
        if self._traits is not None:
            reports = yield from self._traits.step(self._coming[self._known_to_traits :])
            reports += yield from self._traits.flush()
            self._known_to_traits = len(self._coming)
            self._tell_traits(reports)

    def finish(self) -> Asking[Diarization]:
        """Tell the rest, and what has been said in all."""
        rest = np.concatenate([self._untracked, self._coming])
        self.analysed += len(self._coming)
        self.reached = self.analysed
        if self.naming is not None:
            self.naming.voices.hear(rest, self.analysed)
        result = Diarization(turns=(), exclusive=(), duration=self.analysed / _RATE)
        if self._tracker is not None:
            changes, result = yield from self._tracker.finish(rest)
            self._take(changes)
        yield from self._name(everything=True)
        if self._traits is not None:
            reports = yield from self._traits.step(self._coming[self._known_to_traits :])
            self._tell_traits(reports + (yield from self._traits.finish()))
        return result

    def close(self) -> None:
        """Nothing more comes: keep what was told, and let go of all else."""
        self._tell = _untold
        self._tracker = self._traits = None
        self._coming = self._untracked = np.zeros(0, np.float32)
        if self.naming is not None:
            self.naming.close()

    def _name(self, *, everything: bool = False) -> Asking[None]:
        """Make the voiceprints that are due, and tell whose they are."""
        if self.naming is None:
            return
        for label in (yield from self.naming.look(everything=everything)):
            identity = self.naming.identities[label]
            self._tell(
                SpeakerIdentified,
                speaker=label,
                identity=identity,
                net_speech_s=round(self.naming.voiceprints[label].net_speech_s, 3),
            )
            if identity is not None:
                self._tell(
                    Relabel,
                    source=label,
                    target=identity.name,
                    since=self.turns.since(label),
                    reason=RelabelReason.IDENTIFIED,
                )

    def _take(self, changes: Sequence[Change]) -> None:
        for change in changes:
            match change:
                case TurnChange():
                    self._tell_turn(change)
                case SpeechEdge(active=True):
                    self._tell(SpeechStarted, start=change.time)
                case SpeechEdge():
                    self._tell(SpeechEnded, end=change.time)
                case CleanSpeech():
                    if self.naming is not None:
                        self.naming.voices.add(change)
                case Merge():
                    self._tell_merge(change)

        if self.naming is not None and (changed := _changed(changes)):
            self.naming.reassign(*changed, self.turns.speaker_of)

    def _tell_turn(self, change: TurnChange) -> None:
        with self.lock:
            revision = self.turns.set(change)
        self._tell(
            TurnUpdate,
            turn=change.turn,
            revision=revision,
            state=change.state,
            start=change.start,
            end=change.end,
            speaker=change.speaker,
            name=None if self.naming is None else self.naming.name(change.speaker),
            going=change.going,
            confidence=change.confidence,
        )

    def _tell_merge(self, merge: Merge) -> None:
        with self.lock:
            self.turns.merge(merge)
        self._tell(
            Relabel,
            source=merge.source,
            target=merge.target,
            since=merge.since,
            reason=RelabelReason.MERGED,
        )

    def _tell_traits(self, reports: Iterable[TraitReport]) -> None:
        for report in reports:
            self._tell(TraitsTold, report=report)


def _untold(*_: object, **__: object) -> None:
    """Who is told after the end."""


def _changed(changes: Sequence[Change]) -> tuple[float, float] | None:
    """From when to when turns that were sure, or are now, may have got other speakers."""
    merged = [change.since for change in changes if isinstance(change, Merge)]
    turns = [
        change
        for change in changes
        if isinstance(change, TurnChange) and change.state != TurnState.PROVISIONAL
    ]
    if not merged and not turns:
        return None
    start = min([*merged, *(turn.start for turn in turns)])
    return start, math.inf if merged else max(turn.end for turn in turns)

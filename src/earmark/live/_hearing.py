"""The offline analysis's evidence, gathered while the sound comes."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from numpy.typing import NDArray

from earmark.diarization.parts import (
    FRAME_S,
    FRAME_SAMPLES,
    SPAN_WINDOWS,
    WINDOW_SAMPLES,
    Evidence,
    FilterLine,
    Gathering,
    Models,
    Parameters,
    Pooler,
)
from earmark.live._changes import HOP_SAMPLES
from earmark.models import Asking

__all__ = ["STRETCH_WINDOWS", "Hearing"]

Float = NDArray[np.float32]

STRETCH_WINDOWS = 2 * SPAN_WINDOWS
"""Windows that are forgotten at once: 160 s."""

_PATIENCE = 190  # blocks of 80 ms that speech waits for its chunk of 10 s to fill
_WHOLE_S = 593 * FRAME_S  # after its beginning a view has all windows of a frame
_EDGE_S = 0.6  # reach of the embeddings around a moment


class Hearing:
    """Windows of 10 s are segmented as they fill up, and their speech embedded as it is decided.

    All times are seconds of the sound from its beginning. ``filters`` hear all of it.
    """

    def __init__(self, models: Models, parameters: Parameters) -> None:
        self._parameters = parameters
        self._shared = (models, models.segmenter, *models.networks)  # never changed
        pooler = Pooler(models, patience=_PATIENCE)
        self._gathering = Gathering(models, parameters, pooler=pooler)
        self._step = parameters.window_step * FRAME_SAMPLES
        self._upcoming = 0  # first sample of the next window
        self.filters = FilterLine(models.segmenter, kept=WINDOW_SAMPLES + HOP_SAMPLES)

    @property
    def end(self) -> int:
        """Samples that have come."""
        return self._gathering.samples.end

    @property
    def settled_s(self) -> float:
        """Up to here nothing more will be learnt of who speaks."""
        return max(0.0, min(self._gathering.pooler.collected_s, self.end / 16000) - _EDGE_S)

    @property
    def begin_s(self) -> float:
        """From here on there is evidence of every kind; what lies before is forgotten."""
        first = self._gathering.evidence.first_window
        return first * self._parameters.window_step * FRAME_S + _WHOLE_S if first else 0.0

    @property
    def nbytes(self) -> int:
        """Memory of the evidence, about."""
        return self._gathering.evidence.nbytes

    def newest(self, samples: int) -> Float:
        """The last samples, behind silence when fewer have come."""
        held = self._gathering.samples
        part = held.cut(max(0, held.end - samples), held.end)
        return np.concatenate([np.zeros(samples - len(part), np.float32), part])

    def add(self, samples: Float) -> Asking[None]:
        """Take the next samples, a whole number of frames."""
        self._gathering.add_samples([samples])
        self.filters.push(samples)
        while self.end >= self._upcoming + WINDOW_SAMPLES:
            yield from self._segment(self._upcoming)
            self._upcoming += self._step
            self._gathering.decide(self._upcoming)

    @property
    def waiting(self) -> int:
        """How much has been decided and is not `embed`ded, in parts."""
        return self._gathering.pooler.waiting

    @property
    def undone(self) -> bool:
        """Whether there is something to `work` on."""
        return self._gathering.pooler.undone

    def work(self) -> Asking[None]:
        """Ask what `embed` would, which need not then. Neither must be called meanwhile."""
        yield from self._gathering.pooler.work()

    def embed(self, parts: int) -> Asking[None]:
        """Embed so many parts of what has been decided, the oldest first."""
        for _ in range(parts):
            yield from self._gathering.pooler.work(oldest=True)
            self._gathering.collect()

    def finish(self, rest: Float) -> Asking[None]:
        """Take the last samples, any number, and settle everything."""
        self._gathering.add_samples([rest])
        self.filters.push(rest)
        while self.end >= self._upcoming + WINDOW_SAMPLES:
            yield from self._segment(self._upcoming)
            self._upcoming += self._step
        last = self._upcoming - self._step
        if last < 0 or last + WINDOW_SAMPLES < self.end:
            # One more window that ends with the sound, on the frames' grid.
            start = max(0, -(-(self.end - WINDOW_SAMPLES) // FRAME_SAMPLES)) * FRAME_SAMPLES
            yield from self._segment(start)
        self._gathering.decide(None)
        yield from self.embed(self.waiting)

    def copy(self) -> Hearing:
        """Another one, which goes on by itself from here; nothing must be `waiting`."""
        return deepcopy(self, {id(each): each for each in self._shared})

    def view(self, since_s: float) -> tuple[float, Evidence]:
        """Evidence from ``since_s`` on or earlier, and the time that it counts from.

        Its first ten seconds lack windows, unless it counts from 0. To be let go of before more is
        added.
        """
        return self._from(self._span_before(since_s - _WHOLE_S))

    def all(self) -> tuple[float, Evidence]:
        """All evidence that is left, as `view` gives it."""
        return self._from(self._gathering.evidence.first_window)

    def forget(self) -> None:
        """Let go of the oldest `STRETCH_WINDOWS` windows."""
        evidence = self._gathering.evidence
        evidence.forget(evidence.first_window + STRETCH_WINDOWS)

    @property
    def next_begin_s(self) -> float:
        """What `begin_s` will be when the oldest windows are forgotten."""
        first = self._gathering.evidence.first_window + STRETCH_WINDOWS
        return first * self._parameters.window_step * FRAME_S + _WHOLE_S

    def _from(self, window: int) -> tuple[float, Evidence]:
        evidence = self._gathering.evidence.view(duration=self.end / 16000, since=window)
        return window * self._parameters.window_step * FRAME_S, evidence

    def _span_before(self, time: float) -> int:
        """The last window that begins a span before ``time``, of those left."""
        spans = int(time / (SPAN_WINDOWS * self._parameters.window_step * FRAME_S))
        return max(self._gathering.evidence.first_window, spans * SPAN_WINDOWS)

    def _segment(self, start: int) -> Asking[None]:
        window = self._gathering.samples.cut(start, start + WINDOW_SAMPLES)
        probabilities = yield self.filters.ask(window, start)
        self._gathering.add_windows([start], [probabilities])

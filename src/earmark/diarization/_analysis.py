"""One pass over one channel: samples in, evidence out, in bounded memory.

Windows go to the segmentation network in batches, and the speech that they find goes to the
embedding networks one block of windows later. The work runs in an executor while the caller
decodes; every result is a function of the samples alone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._evidence import Evidence
from earmark.diarization._gathering import Gathering
from earmark.diarization._grid import FRAME_SAMPLES, WINDOW_SAMPLES
from earmark.diarization._models import Models
from earmark.diarization._parameters import Parameters

__all__ = ["Analysis"]

Float = NDArray[np.float32]

_BATCH = 8  # windows per run of the segmentation network
_STEP_S = 80.0  # audio per round of batches


@dataclass(frozen=True, slots=True, eq=False)
class _Round:
    """Windows under way, in batches: where each begins in the samples, and what is found there."""

    batches: list[tuple[list[int], Future[Float]]]

    @property
    def first(self) -> int:
        """The first sample of the first window."""
        return self.batches[0][0][0]


class Analysis:
    """Push blocks of samples, then finish.

    Without ``voices`` only the evidence of where somebody speaks is gathered (the frames' own),
    the same as with them; nothing is embedded.
    """

    def __init__(
        self,
        models: Models,
        parameters: Parameters,
        executor: Executor,
        *,
        voices: bool = True,
    ) -> None:
        self._segmenter = models.segmenter
        self._executor = executor
        self._gathering = Gathering(models, parameters, executor, voices=voices)
        self._arrived: list[Float] = []
        self._arrived_count = 0
        self._window_step = parameters.window_step * FRAME_SAMPLES
        self._round = max(1, round(_STEP_S * 16000 / self._window_step / _BATCH)) * _BATCH
        self._next_window = 0  # its first sample
        self._segmented: list[_Round] = []
        self._segmented_s = 0.0

    @property
    def analysed_s(self) -> float:
        """Seconds that have been analysed: the mean of what has been segmented and embedded."""
        total = self._gathering.samples.end / 16000
        return (min(self._segmented_s, total) + min(self._gathering.pooler.collected_s, total)) / 2

    def push(self, samples: Float) -> None:
        """Add the next samples: float32 [n] at 16 kHz."""
        self._arrived.append(samples)
        self._arrived_count += len(samples)
        step, reach = self._window_step, (self._round - 1) * self._window_step + WINDOW_SAMPLES
        while self._gathering.samples.end + self._arrived_count >= self._next_window + reach:
            self._take_arrived()
            self._start_round([self._next_window + i * step for i in range(self._round)])

    def finish(self, on_step: Callable[[], None] = lambda: None) -> Evidence:
        """Analyse what is left, calling ``on_step`` as that goes on, and return all evidence."""
        self._take_arrived()
        total = self._gathering.samples.end
        starts = list(range(self._next_window, total - WINDOW_SAMPLES + 1, self._window_step))
        last = starts[-1] if starts else self._next_window - self._window_step
        if last < 0 or last + WINDOW_SAMPLES < total:
            # One more window that ends with the recording, on the frames' grid.
            starts.append(max(0, -(-(total - WINDOW_SAMPLES) // FRAME_SAMPLES)) * FRAME_SAMPLES)
        if starts:
            self._start_round(starts)
        while self._segmented:
            self._finish_segmentation(on_step, final=len(self._segmented) == 1)
        while self._gathering.pooler.waiting:
            self._gathering.collect()
            on_step()
        return self._gathering.evidence.build(duration=total / 16000)

    def abandon(self) -> None:
        """Take back the work that has not begun. Nothing more can be done with this analysis."""
        for under_way in self._segmented:
            for _, future in under_way.batches:
                future.cancel()
        self._gathering.pooler.abandon()

    def _take_arrived(self) -> None:
        self._gathering.add_samples(self._arrived)
        self._arrived, self._arrived_count = [], 0

    def _start_round(self, starts: list[int]) -> None:
        """Start segmenting the windows at ``starts``, then go on with the rounds before."""
        batches = []
        for i in range(0, len(starts), _BATCH):
            batch = starts[i : i + _BATCH]
            samples = self._gathering.samples.cut(batch[0], batch[-1] + WINDOW_SAMPLES)
            relative = [start - batch[0] for start in batch]
            task = self._executor.submit(self._segmenter.segment, samples, relative)
            batches.append((batch, task))
        self._segmented.append(_Round(batches))
        self._next_window = starts[-1] + self._window_step
        if len(self._segmented) > 1:
            self._finish_segmentation(lambda: None, final=False)
        if self._gathering.pooler.waiting > 1:
            self._gathering.collect()

    def _finish_segmentation(self, on_step: Callable[[], None], *, final: bool) -> None:
        """Take the oldest round of windows and send its speech to the embedding networks."""
        for starts, future in self._segmented[0].batches:
            self._gathering.add_windows(starts, future.result())
            self._segmented_s = (starts[-1] + WINDOW_SAMPLES) / 16000
            on_step()
        del self._segmented[0]
        self._gathering.decide(None if final else self._segmented[0].first)

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

from earmark.diarization._evidence import CELL_BLOCKS, Evidence, EvidenceBuilder
from earmark.diarization._grid import (
    BLOCK_S,
    FRAME_S,
    FRAME_SAMPLES,
    FRAME_START_S,
    WINDOW_SAMPLES,
)
from earmark.diarization._models import Models
from earmark.diarization._parameters import Parameters
from earmark.diarization._pooling import Pooler, Row
from earmark.diarization._samples import SampleBuffer
from earmark.diarization._units import cut_units

__all__ = ["Analysis"]

Float = NDArray[np.float32]

_BATCH = 8  # windows per run of the segmentation network
_STEP_S = 80.0  # audio per round of batches
_NEAR_SPEECH = 0.2  # probability of speech around which audio is embedded ...
_NEAR_BLOCKS = 3  # ... with this many blocks on each side


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
        self._voices = voices
        self._segmenter = models.segmenter
        self._parameters = parameters
        self._executor = executor
        self._samples = SampleBuffer()
        self._arrived: list[Float] = []
        self._arrived_count = 0
        self._window_step = parameters.window_step * FRAME_SAMPLES
        self._round = max(1, round(_STEP_S * 16000 / self._window_step / _BATCH)) * _BATCH
        self._next_window = 0  # its first sample
        self._segmented: list[_Round] = []
        self._segmented_s = 0.0
        self._pooler = Pooler(models, executor)
        self._evidence = EvidenceBuilder()
        self._decided = 0  # blocks of 80 ms that are known to hold speech or not

    @property
    def analysed_s(self) -> float:
        """Seconds that have been analysed: the mean of what has been segmented and embedded."""
        total = self._samples.end / 16000
        return (min(self._segmented_s, total) + min(self._pooler.collected_s, total)) / 2

    def push(self, samples: Float) -> None:
        """Add the next samples: float32 [n] at 16 kHz."""
        self._arrived.append(samples)
        self._arrived_count += len(samples)
        step, reach = self._window_step, (self._round - 1) * self._window_step + WINDOW_SAMPLES
        while self._samples.end + self._arrived_count >= self._next_window + reach:
            self._take_arrived()
            self._start_round([self._next_window + i * step for i in range(self._round)])

    def finish(self, on_step: Callable[[], None] = lambda: None) -> Evidence:
        """Analyse what is left, calling ``on_step`` as that goes on, and return all evidence."""
        self._take_arrived()
        total = self._samples.end
        starts = list(range(self._next_window, total - WINDOW_SAMPLES + 1, self._window_step))
        last = starts[-1] if starts else self._next_window - self._window_step
        if last < 0 or last + WINDOW_SAMPLES < total:
            # One more window that ends with the recording, on the frames' grid.
            starts.append(max(0, -(-(total - WINDOW_SAMPLES) // FRAME_SAMPLES)) * FRAME_SAMPLES)
        if starts:
            self._start_round(starts)
        while self._segmented:
            self._finish_segmentation(on_step, final=len(self._segmented) == 1)
        while self._pooler.waiting:
            self._take_vectors()
            on_step()
        return self._evidence.build(duration=total / 16000)

    def abandon(self) -> None:
        """Take back the work that has not begun. Nothing more can be done with this analysis."""
        for under_way in self._segmented:
            for _, future in under_way.batches:
                future.cancel()
        self._pooler.abandon()

    def _take_arrived(self) -> None:
        before = self._samples.end // FRAME_SAMPLES
        self._samples.append(self._arrived)
        self._arrived, self._arrived_count = [], 0
        after = self._samples.end // FRAME_SAMPLES
        self._evidence.add_sound(self._samples.cut(before * FRAME_SAMPLES, after * FRAME_SAMPLES))

    def _start_round(self, starts: list[int]) -> None:
        """Start segmenting the windows at ``starts``, then go on with the rounds before."""
        batches = []
        for i in range(0, len(starts), _BATCH):
            batch = starts[i : i + _BATCH]
            samples = self._samples.cut(batch[0], batch[-1] + WINDOW_SAMPLES)
            relative = [start - batch[0] for start in batch]
            task = self._executor.submit(self._segmenter.segment, samples, relative)
            batches.append((batch, task))
        self._segmented.append(_Round(batches))
        self._next_window = starts[-1] + self._window_step
        if len(self._segmented) > 1:
            self._finish_segmentation(lambda: None, final=False)
        if self._pooler.waiting > 1:
            self._take_vectors()

    def _finish_segmentation(self, on_step: Callable[[], None], *, final: bool) -> None:
        """Take the oldest round of windows and send its speech to the embedding networks."""
        rows = []
        for starts, future in self._segmented[0].batches:
            for start, probabilities in zip(starts, future.result(), strict=True):
                frame = start // FRAME_SAMPLES
                units = cut_units(probabilities, self._parameters) if self._voices else []
                first = self._evidence.add_window(frame, probabilities, units)
                for key, one in enumerate(units, first):
                    if one.clean_s >= self._parameters.unit_least_s:
                        times = (one.clean + frame) * FRAME_S + FRAME_START_S
                        rows.append(Row(("unit", key), np.maximum(times, 0.0)))
            self._segmented_s = (starts[-1] + WINDOW_SAMPLES) / 16000
            on_step()
        del self._segmented[0]
        decided_s = self._samples.end / 16000
        if not final:
            decided_s = self._segmented[0].first / 16000 - (_NEAR_BLOCKS + 1) * BLOCK_S
        blocks = self._new_blocks(max(self._decided, int(decided_s / BLOCK_S) + final))
        self._pooler.add(blocks, rows + self._cell_rows(blocks) if self._voices else [])
        self._pooler.submit(self._samples, self._decided, final=final)
        # Upcoming windows begin behind what is decided.
        self._samples.forget(self._pooler.needs_from(self._decided))

    def _new_blocks(self, until: int) -> NDArray[np.int64]:
        """Blocks before ``until`` that are not decided yet and have speech near them."""
        blocks = np.arange(self._decided, until)
        self._decided = until
        centres = (blocks + 0.5) * BLOCK_S
        first = np.floor((centres - _NEAR_BLOCKS * BLOCK_S - FRAME_START_S) / FRAME_S)
        last = np.ceil((centres + _NEAR_BLOCKS * BLOCK_S - FRAME_START_S) / FRAME_S)
        return blocks[self._evidence.speech_between(first, last) > _NEAR_SPEECH]

    def _cell_rows(self, blocks: NDArray[np.int64]) -> list[Row]:
        """A row for each cell with a new active block: the time around it."""
        half = (self._parameters.sliding_cells - 1) // 2
        rows = []
        for cell in np.unique(blocks // CELL_BLOCKS).tolist():
            if self._evidence.add_cell(cell):
                times = np.array([[cell - half, cell + half + 1]]) * (CELL_BLOCKS * BLOCK_S)
                rows.append(Row(("cell", cell), np.maximum(times, 0.0)))
        return rows

    def _take_vectors(self) -> None:
        for (kind, key), vector in self._pooler.collect():
            if kind == "unit":
                self._evidence.set_unit(key, vector)
            elif kind == "cell":
                self._evidence.set_cell(key, vector)
            else:
                self._evidence.set_scores(key, vector)

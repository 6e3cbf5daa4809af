"""Evidence as it comes together: windows in, speech found, voices embedded, sound let go of."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._evidence import CELL_BLOCKS, EvidenceBuilder
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

__all__ = ["Gathering"]

Float = NDArray[np.float32]

_NEAR_SPEECH = 0.2  # probability of speech around which audio is embedded ...
_NEAR_BLOCKS = 3  # ... with this many blocks on each side


class Gathering:
    """Add samples, add the windows over them in order, and `decide` what is embedded.

    Without ``voices`` nothing but the frames' evidence is kept. ``executor`` is where the
    pooler's networks run, unless there is a ``pooler`` already.
    """

    def __init__(
        self,
        models: Models,
        parameters: Parameters,
        executor: Executor | None = None,
        *,
        voices: bool = True,
        pooler: Pooler | None = None,
    ) -> None:
        self.samples = SampleBuffer()
        self.evidence = EvidenceBuilder()
        self.pooler = pooler or Pooler(models, executor)
        self._parameters = parameters
        self._voices = voices
        self._rows: list[Row] = []  # of windows whose speech is not decided
        self._decided = 0  # blocks of 80 ms that are known to hold speech or not

    def add_samples(self, arrived: list[Float]) -> None:
        """Add blocks of samples at the end."""
        before = self.samples.end // FRAME_SAMPLES
        self.samples.append(arrived)
        after = self.samples.end // FRAME_SAMPLES
        self.evidence.add_sound(self.samples.cut(before * FRAME_SAMPLES, after * FRAME_SAMPLES))

    def add_windows(self, starts: Iterable[int], windows: Iterable[Float]) -> None:
        """Add windows by their first samples and class probabilities [589, 7]."""
        for start, probabilities in zip(starts, windows, strict=True):
            frame = start // FRAME_SAMPLES
            units = cut_units(probabilities, self._parameters) if self._voices else []
            first = self.evidence.add_window(frame, probabilities, units)
            for key, one in enumerate(units, first):
                if one.clean_s >= self._parameters.unit_least_s:
                    times = (one.clean + frame) * FRAME_S + FRAME_START_S
                    self._rows.append(Row(("unit", key), np.maximum(times, 0.0)))

    def decide(self, upcoming: int | None) -> None:
        """Send the speech before the window that begins at sample ``upcoming`` to the pooler.

        None: no window is to come.
        """
        final = upcoming is None
        decided_s = self.samples.end / 16000
        if upcoming is not None:
            decided_s = upcoming / 16000 - (_NEAR_BLOCKS + 1) * BLOCK_S
        blocks = self._new_blocks(max(self._decided, int(decided_s / BLOCK_S) + final))
        self.pooler.add(blocks, self._rows + self._cell_rows(blocks) if self._voices else [])
        self._rows = []
        self.pooler.submit(self.samples, self._decided, final=final)
        # Upcoming windows begin behind what is decided, but for one that ends with the sound.
        newest = max(0, self.samples.end - WINDOW_SAMPLES)
        self.samples.forget(min(newest, self.pooler.needs_from(self._decided)))

    def collect(self) -> None:
        """Take the embeddings of the oldest batch of the pooler's."""
        for (kind, key), vector in self.pooler.collect():
            if kind == "unit":
                self.evidence.set_unit(key, vector)
            elif kind == "cell":
                self.evidence.set_cell(key, vector)
            else:
                self.evidence.set_scores(key, vector)

    def _new_blocks(self, until: int) -> NDArray[np.int64]:
        """Blocks before ``until`` that are not decided yet and have speech near them."""
        blocks = np.arange(self._decided, until)
        self._decided = until
        centres = (blocks + 0.5) * BLOCK_S
        first = np.floor((centres - _NEAR_BLOCKS * BLOCK_S - FRAME_START_S) / FRAME_S)
        last = np.ceil((centres + _NEAR_BLOCKS * BLOCK_S - FRAME_START_S) / FRAME_S)
        return blocks[self.evidence.speech_between(first, last) > _NEAR_SPEECH]

    def _cell_rows(self, blocks: NDArray[np.int64]) -> list[Row]:
        """A row for each cell with a new active block: the time around it."""
        half = (self._parameters.sliding_cells - 1) // 2
        rows = []
        for cell in np.unique(blocks // CELL_BLOCKS).tolist():
            if self.evidence.add_cell(cell):
                times = np.array([[cell - half, cell + half + 1]]) * (CELL_BLOCKS * BLOCK_S)
                rows.append(Row(("cell", cell), np.maximum(times, 0.0)))
        return rows

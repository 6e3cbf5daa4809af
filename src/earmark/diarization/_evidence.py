"""What a pass over the audio leaves behind: all that clustering and labelling need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._grid import (
    BLOCK_S,
    FRAME_S,
    FRAME_START_S,
    WINDOW_FRAMES,
    frames_before,
)
from earmark.diarization._segmentation import CLASS_SPEAKERS, LOCAL_SPEAKERS
from earmark.diarization._units import Unit

__all__ = ["CELL_BLOCKS", "CELL_S", "Evidence", "EvidenceBuilder"]

Float = NDArray[np.float32]

CELL_BLOCKS = 3
CELL_S = 0.24

_PAIR = CLASS_SPEAKERS.sum(axis=1) > 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evidence:
    """About 30 MB per hour of audio. T frames, W windows, U units, C cells, D dimensions.

    Frames: ``speech`` and ``overlap`` float32 [T], the probabilities that somebody and that two
    people speak; ``depth`` uint8 [T], how many windows saw the frame; ``scores`` float16 [T, n],
    what the probe said of it, NaN where nothing was embedded.
    Windows: ``window_frame`` int32 [W], the first frame; ``local`` uint8 [W, 589, 3], how active
    each of the window's speakers is, in 1/255.
    Units: ``unit_window`` int32 [U], ``unit_local`` uint8 [U], ``unit_span`` int16 [U, 2], first
    frame in the window and the one behind the last, ``unit_clean_s`` float32 [U], seconds without
    other speakers, ``unit_vector`` float16 [U, D], unit-norm, or zeros where these were too few.
    Cells of 0.24 s: ``cell`` int32 [C], which ones have speech, and ``cell_vector`` int8 [C, D],
    the embedding of the speech around each, of any length.
    """

    duration: float
    speech: Float
    overlap: Float
    depth: NDArray[np.uint8]
    scores: NDArray[np.float16]
    window_frame: NDArray[np.int32]
    local: NDArray[np.uint8]
    unit_window: NDArray[np.int32]
    unit_local: NDArray[np.uint8]
    unit_span: NDArray[np.int16]
    unit_clean_s: Float
    unit_vector: NDArray[np.float16]
    cell: NDArray[np.int32]
    cell_vector: NDArray[np.int8]


class EvidenceBuilder:
    """Evidence under construction."""

    def __init__(self) -> None:
        self._sums = np.zeros((0, 2), np.float32)  # of speech and overlap
        self._depth = np.zeros(0, np.uint8)
        self._window_frame: list[int] = []
        self._local: list[NDArray[np.uint8]] = []
        self._units: list[tuple[int, int, int, int, float]] = []
        self._unit_vectors: dict[int, NDArray[np.float16]] = {}
        self._cells: set[int] = set()
        self._cell_vectors: dict[int, NDArray[np.int8]] = {}
        self._scores = np.zeros((0, 1, 2), np.float16)  # per block of 80 ms
        self._frames = 0
        self._dimensions = 0

    def add_window(self, frame: int, probabilities: Float, units: list[Unit]) -> int:
        """Add a window that begins at ``frame``; returns the index of its first unit."""
        self._reserve(frame + WINDOW_FRAMES)
        part = slice(frame, frame + WINDOW_FRAMES)
        self._sums[part, 0] += 1 - probabilities[:, 0]
        self._sums[part, 1] += probabilities[:, _PAIR].sum(axis=1)
        self._depth[part] += 1
        window, first = len(self._window_frame), len(self._units)
        self._window_frame.append(frame)
        self._local.append(np.rint(probabilities @ CLASS_SPEAKERS * 255).astype(np.uint8))
        self._units += [(window, u.local, u.first, u.last, u.clean_s) for u in units]
        return first

    def speech_between(self, first: Float, last: Float) -> Float:
        """The largest probability of speech in each range of frames [n], ends included."""
        ranges = np.clip(np.stack([first, last + 1]), 0, self._frames).astype(np.int64)
        if not ranges.size or not self._frames:
            return np.zeros(len(first), np.float32)
        low, high = int(ranges.min()), int(ranges.max())
        speech = self._sums[low:high, 0] / np.maximum(self._depth[low:high], 1)
        begin, end = ranges - low
        return np.array(
            [speech[b:e].max() if e > b else 0.0 for b, e in zip(begin, end, strict=True)],
            np.float32,
        )

    def add_cell(self, cell: int) -> bool:
        """Note that a cell has speech; False when that is known already."""
        if cell in self._cells:
            return False
        self._cells.add(cell)
        return True

    def set_unit(self, unit: int, vector: Float) -> None:
        """Store a unit's embedding [D]."""
        self._dimensions = len(vector)
        self._unit_vectors[unit] = vector.astype(np.float16)

    def set_cell(self, cell: int, vector: Float) -> None:
        """Store a cell's embedding [D]."""
        self._dimensions = len(vector)
        self._cell_vectors[cell] = np.rint(vector * (127 / np.abs(vector).max())).astype(np.int8)

    def set_scores(self, block: int, scores: Float) -> None:
        """Store what the probe says of a block of 80 ms: [frames, n]."""
        missing = block + 1 - len(self._scores)
        if missing > 0:
            room = (max(missing, len(self._scores) // 2), *scores.shape)
            fresh = np.full(room, np.nan, np.float16)
            self._scores = np.concatenate([self._scores, fresh]) if len(self._scores) else fresh
        self._scores[block] = scores

    def build(self, *, duration: float) -> Evidence:
        """All of it, for a recording of ``duration`` seconds; the builder is empty afterwards."""
        frames = min(self._frames, frames_before(duration))  # a short recording fills no window
        table = np.array(self._units, np.float64).reshape(-1, 5)
        unit_vector = np.zeros((len(table), self._dimensions), np.float16)
        while self._unit_vectors:
            unit, vector = self._unit_vectors.popitem()
            unit_vector[unit] = vector
        cells = sorted(self._cell_vectors)
        cell_vector = np.zeros((len(cells), self._dimensions), np.int8)
        for i, cell in enumerate(cells):
            cell_vector[i] = self._cell_vectors.pop(cell)
        local = np.zeros((len(self._local), WINDOW_FRAMES, LOCAL_SPEAKERS), np.uint8)
        for i in reversed(range(len(self._local))):
            local[i] = self._local.pop()
        depth = self._depth[:frames]
        means = self._sums[:frames] / np.maximum(depth, 1)[:, None]
        return Evidence(
            duration=duration,
            speech=np.ascontiguousarray(means[:, 0]),
            overlap=np.ascontiguousarray(means[:, 1]),
            depth=depth.copy(),
            scores=self._scores_by_frame(frames),
            window_frame=np.array(self._window_frame, np.int32),
            local=local,
            unit_window=table[:, 0].astype(np.int32),
            unit_local=table[:, 1].astype(np.uint8),
            unit_span=table[:, 2:4].astype(np.int16),
            unit_clean_s=table[:, 4].astype(np.float32),
            unit_vector=unit_vector,
            cell=np.array(cells, np.int32),
            cell_vector=cell_vector,
        )

    def _scores_by_frame(self, frames: int) -> NDArray[np.float16]:
        """The scores nearest to the frames' centres [T, n]."""
        blocks, per_block, kinds = self._scores.shape
        times = (np.arange(frames) + 0.5) * FRAME_S + FRAME_START_S
        places = np.rint(times * (per_block / BLOCK_S)).astype(np.int64)
        found = np.full((frames, kinds), np.nan, np.float16)
        inside = places < blocks * per_block
        found[inside] = self._scores.reshape(-1, kinds)[places[inside]]
        return found

    def _reserve(self, frames: int) -> None:
        """Make room for ``frames`` frames."""
        self._frames = max(self._frames, frames)
        if frames > len(self._depth):
            room = max(frames, len(self._depth) * 3 // 2) - len(self._depth)
            self._sums = np.concatenate([self._sums, np.zeros((room, 2), np.float32)])
            self._depth = np.concatenate([self._depth, np.zeros(room, np.uint8)])

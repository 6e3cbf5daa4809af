"""What a pass over the audio leaves behind: all that clustering and labelling need."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from earmark.diarization._grid import (
    BLOCK_S,
    FRAME_S,
    FRAME_SAMPLES,
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

#: Every 128 frames the grids of frames, blocks and cells meet: so they do at the beginning of this
#: many windows at a step of 148 frames, which is 79.92 s.
SPAN_WINDOWS = 32
SPAN_FRAMES = 4736
SPAN_BLOCKS = 999
SPAN_CELLS = 333

_PAIR = CLASS_SPEAKERS.sum(axis=1) > 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evidence:
    """About 30 MB per hour of audio. T frames, W windows, U units, C cells, D dimensions.

    Frames: ``speech`` and ``overlap`` float32 [T], the probabilities that somebody and that two
    people speak; ``depth`` uint8 [T], how many windows saw the frame; ``level``
    float16 [T], its loudness in dB of full scale; ``scores`` float16 [T, n],
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
    level: NDArray[np.float16]
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


class _Rows:
    """An array [n, ...] that grows in place: many small arrays, or copies, cost twice the room."""

    def __init__(self, kind: DTypeLike, *shape: int) -> None:
        self._rows = np.zeros((0, *shape), kind)

    def set(self, row: int, values: NDArray[np.generic]) -> None:
        """Put ``values`` into a row; rows that are never set stay zero."""
        if row >= len(self._rows):
            room = max(row + 1, len(self._rows) + max(256, len(self._rows) // 8))
            self._rows.resize((room, *values.shape), refcheck=False)
        self._rows[row] = values

    def view(self, first: int, last: int) -> NDArray[Any]:
        """Rows ``first`` to ``last`` (behind), to be let go of before anything is set."""
        if not len(self._rows):  # and nobody knows how long they will be
            return np.zeros((last - first, *self._rows.shape[1:]), self._rows.dtype)
        if last > len(self._rows):
            self._rows.resize((last, *self._rows.shape[1:]), refcheck=False)
        return self._rows[first:last]

    def take(self, rows: int) -> NDArray[Any]:
        """The first ``rows`` rows; nothing can be set afterwards."""
        self._rows.resize((rows, *self._rows.shape[1:]), refcheck=False)
        return self._rows

    def forget(self, rows: int) -> None:
        """Drop the first ``rows`` rows: the others move up."""
        self._rows = self._rows[rows:].copy()

    @property
    def nbytes(self) -> int:
        """Memory that is held."""
        return self._rows.nbytes


class EvidenceBuilder:
    """Evidence under construction."""

    def __init__(self) -> None:
        self._sums = np.zeros((0, 2), np.float32)  # of speech and overlap
        self._depth = np.zeros(0, np.uint8)
        self._window_frame: list[int] = []
        self._local = _Rows(np.uint8, WINDOW_FRAMES, LOCAL_SPEAKERS)
        self._units = array("d")  # five numbers each
        self._unit_vectors = _Rows(np.float16, 0)
        self._cells = array("i")  # ascending
        self._cell_vectors = _Rows(np.int8, 0)
        self._scores = np.zeros((0, 1, 2), np.float16)  # per block of 80 ms
        self._levels: list[NDArray[np.float16]] = []
        self._frames = 0
        self._spans = 0  # forgotten
        self._units_gone = 0

    @property
    def nbytes(self) -> int:
        """Memory that is held, about."""
        rows = (self._local, self._unit_vectors, self._cell_vectors)
        small = self._sums.nbytes + self._depth.nbytes + self._scores.nbytes
        listed = 8 * len(self._units) + 4 * len(self._cells) + 2 * self._frames
        return sum(each.nbytes for each in rows) + small + listed

    @property
    def first_window(self) -> int:
        """The first window that is not forgotten."""
        return self._spans * SPAN_WINDOWS

    def forget(self, since: int) -> None:
        """Let go of what lies before the window ``since``, which begins a span (`view`)."""
        assert since % SPAN_WINDOWS == 0
        spans = since // SPAN_WINDOWS - self._spans
        windows, frames = spans * SPAN_WINDOWS, spans * SPAN_FRAMES
        own = np.array(self._units, np.float64).reshape(-1, 5)[:, 0]
        units, cells = int(np.searchsorted(own, since)), self._cells_before(since)
        self._local.forget(windows)
        self._unit_vectors.forget(units)
        self._cell_vectors.forget(cells)
        del self._window_frame[:windows], self._units[: units * 5], self._cells[:cells]
        self._sums, self._depth = self._sums[frames:].copy(), self._depth[frames:].copy()
        self._scores = self._scores[spans * SPAN_BLOCKS :].copy()
        self._levels = [np.concatenate(self._levels)[frames:]]
        self._frames -= frames
        self._spans += spans
        self._units_gone += units

    def add_sound(self, samples: Float) -> None:
        """Note how loud the next samples are, a whole number of frames."""
        power = np.square(samples.reshape(-1, FRAME_SAMPLES)).mean(axis=1)
        self._levels.append((10 * np.log10(power + np.float32(1e-10))).astype(np.float16))

    def add_window(self, frame: int, probabilities: Float, units: list[Unit]) -> int:
        """Add a window that begins at ``frame``; returns the index of its first unit."""
        place = frame - self._spans * SPAN_FRAMES
        self._reserve(place + WINDOW_FRAMES)
        part = slice(place, place + WINDOW_FRAMES)
        self._sums[part, 0] += 1 - probabilities[:, 0]
        self._sums[part, 1] += probabilities[:, _PAIR].sum(axis=1)
        self._depth[part] += 1
        window = len(self._window_frame)
        first = self._units_gone + len(self._units) // 5
        self._window_frame.append(frame)
        self._local.set(window, np.rint(probabilities @ CLASS_SPEAKERS * 255).astype(np.uint8))
        for one in units:
            self._units.extend(
                (window + self.first_window, one.local, one.first, one.last, one.clean_s)
            )
        return first

    def speech_between(self, first: Float, last: Float) -> Float:
        """The largest probability of speech in each range of frames [n], ends included."""
        ranges = np.stack([first, last + 1]) - self._spans * SPAN_FRAMES
        ranges = np.clip(ranges, 0, self._frames).astype(np.int64)
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
        """Note that a cell, none before the last one, has speech; False when that is known."""
        if self._cells and cell == self._cells[-1]:
            return False
        self._cells.append(cell)
        return True

    def set_unit(self, unit: int, vector: Float) -> None:
        """Store a unit's embedding [D]."""
        self._unit_vectors.set(unit - self._units_gone, vector.astype(np.float16))

    def set_cell(self, cell: int, vector: Float) -> None:
        """Store a cell's embedding [D]."""
        scaled = np.rint(vector * (127 / np.abs(vector).max())).astype(np.int8)
        self._cell_vectors.set(bisect_left(self._cells, cell), scaled)

    def set_scores(self, block: int, scores: Float) -> None:
        """Store what the probe says of a block of 80 ms: [frames, n]."""
        block -= self._spans * SPAN_BLOCKS
        missing = block + 1 - len(self._scores)
        if missing > 0:
            room = (max(missing, len(self._scores) // 2), *scores.shape)
            fresh = np.full(room, np.nan, np.float16)
            self._scores = np.concatenate([self._scores, fresh]) if len(self._scores) else fresh
        self._scores[block] = scores

    def build(self, *, duration: float) -> Evidence:
        """All of it, for a recording of ``duration`` seconds; the builder is empty afterwards."""
        self._local.take(len(self._window_frame))
        self._unit_vectors.take(len(self._units) // 5)
        self._cell_vectors.take(len(self._cells))
        return self.view(duration=duration, since=self.first_window)

    def view(self, *, duration: float, since: int = 0) -> Evidence:
        """What there is up to ``duration`` seconds, from the window ``since`` on.

        ``since`` begins a span (see `SPAN_WINDOWS`), from which all of it, ``duration`` of the
        `Evidence` too, is counted. To be let go of before anything is added.
        """
        assert since % SPAN_WINDOWS == 0
        span = since // SPAN_WINDOWS - self._spans
        window, frame = span * SPAN_WINDOWS, span * SPAN_FRAMES
        origin = self._spans * SPAN_FRAMES + frame
        # A short recording fills no window.
        frames = min(self._frames - frame, frames_before(duration) - origin)
        table = np.array(self._units, np.float64).reshape(-1, 5)
        unit, first = int(np.searchsorted(table[:, 0], since)), self._cells_before(since)
        table = table[unit:]
        depth = self._depth[frame : frame + frames]
        means = self._sums[frame : frame + frames] / np.maximum(depth, 1)[:, None]
        return Evidence(
            duration=duration - origin * FRAME_S,
            speech=np.ascontiguousarray(means[:, 0]),
            overlap=np.ascontiguousarray(means[:, 1]),
            depth=depth.copy(),
            level=self._level_by_frame(frame, frames),
            scores=self._scores_by_frame(span * SPAN_BLOCKS, frames),
            window_frame=np.array(self._window_frame[window:], np.int32) - origin,
            local=self._local.view(window, len(self._window_frame)),
            unit_window=table[:, 0].astype(np.int32) - since,
            unit_local=table[:, 1].astype(np.uint8),
            unit_span=table[:, 2:4].astype(np.int16),
            unit_clean_s=table[:, 4].astype(np.float32),
            unit_vector=self._unit_vectors.view(unit, unit + len(table)),
            cell=np.array(self._cells[first:], np.int32) - since // SPAN_WINDOWS * SPAN_CELLS,
            cell_vector=self._cell_vectors.view(first, len(self._cells)),
        )

    def _cells_before(self, since: int) -> int:
        return bisect_left(self._cells, since // SPAN_WINDOWS * SPAN_CELLS)

    def _level_by_frame(self, first: int, frames: int) -> NDArray[np.float16]:
        """The loudness of the samples nearest to each frame's centre [T]."""
        level = np.concatenate([*self._levels, np.full(1, -100, np.float16)])
        middle = first + round(FRAME_START_S / FRAME_S)  # a frame looks at what comes behind it
        return level[np.minimum(np.arange(frames) + middle, len(level) - 1)]

    def _scores_by_frame(self, first: int, frames: int) -> NDArray[np.float16]:
        """The scores nearest to the frames' centres [T, n], from block ``first`` on."""
        scores = self._scores[first:]
        blocks, per_block, kinds = scores.shape
        times = (np.arange(frames) + 0.5) * FRAME_S + FRAME_START_S
        places = np.rint(times * (per_block / BLOCK_S)).astype(np.int64)
        found = np.full((frames, kinds), np.nan, np.float16)
        inside = places < blocks * per_block
        found[inside] = scores.reshape(-1, kinds)[places[inside]]
        return found

    def _reserve(self, frames: int) -> None:
        """Make room for ``frames`` frames."""
        self._frames = max(self._frames, frames)
        if frames > len(self._depth):
            room = max(frames, len(self._depth) * 3 // 2) - len(self._depth)
            self._sums = np.concatenate([self._sums, np.zeros((room, 2), np.float32)])
            self._depth = np.concatenate([self._depth, np.zeros(room, np.uint8)])

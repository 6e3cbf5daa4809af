"""Embeddings of rows of time, pooled while the networks' frame maps stream by.

Only speech is embedded. Time is cut into blocks of 80 ms; the ones with speech near them are lined
up without the pauses between, and every 125 of them (10 s) make a chunk that goes through the
networks once. A row (a unit, or the surroundings of a cell) is a set of time intervals. Most rows
lie inside one chunk; the sums of the others are collected from every chunk that they touch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._grid import BLOCK_S, runs
from earmark.diarization._models import Models
from earmark.diarization._samples import SampleBuffer
from earmark.models import Ask, Asking, answer_alone
from earmark.voiceprints import EmbeddingNetwork, Sums, pool, unit

__all__ = ["Pooler", "Row"]

Float = NDArray[np.float32]
Int = NDArray[np.int64]
Key = tuple[str, int]

_BLOCK_SAMPLES = 1280
_BLOCK_TICKS = 8  # feature frames
_TICK_TAIL = 240  # samples that a feature frame reaches past its hop
_CHUNK = 125
_CONTEXT = 5  # blocks on each side that the trunk sees and nobody pools
_MARGIN = 9  # blocks that rows may still begin before what is known
_PATIENCE = 1500  # blocks that speech may wait for its chunk to fill, if not told otherwise


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Time to be embedded: ``intervals`` float64 [n, 2], seconds, in order and not empty."""

    key: Key
    intervals: NDArray[np.float64]

    @property
    def begin_s(self) -> float:
        return float(self.intervals[0, 0])

    @property
    def end_s(self) -> float:
        return float(self.intervals[-1, 1])


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    """Active blocks that go through the networks together, and the time that they stand for.

    Nothing active lies between two chunks, so each begins where the one before ends.
    """

    blocks: Int
    begin_s: float
    end_s: float

    def holds(self, row: Row) -> bool:
        return self.begin_s <= row.begin_s and row.end_s <= self.end_s

    def touches(self, row: Row) -> bool:
        return row.begin_s < self.end_s and self.begin_s < row.end_s


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Heard:
    """What the networks make of a chunk.

    ``vectors`` [rows, D] are the embeddings of the rows inside it, ``parts`` the networks' sums of
    the others, ``scores`` [blocks, frames, n] what the probe says.
    """

    vectors: Float
    parts: list[Sums]
    scores: Float


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """A chunk under way: the rows inside it, and those that reach past it."""

    chunk: _Chunk
    future: Future[_Heard]
    whole: list[Row]
    parts: list[Row]


class Pooler:
    """Feeds chunks of speech to the networks and turns rows into embeddings.

    As the recording goes by: `add` what is known, `submit` the chunks that are full, `collect`
    the rows that are complete. Results do not depend on when `collect` is called. The networks run
    in ``executor``, or else in whatever drives `work`, before `collect`. Speech waits for its chunk
    to fill while ``patience`` blocks go by.
    """

    def __init__(
        self, models: Models, executor: Executor | None = None, *, patience: int = _PATIENCE
    ) -> None:
        self._models = models
        self._patience = patience
        self._executor = executor
        self._undone: list[tuple[Asking[_Heard], Future[_Heard]]] = []
        self._blocks = np.zeros(0, np.int64)  # active ones that no chunk has taken
        self._rows: list[Row] = []
        self._chunked_s = 0.0
        self._collected_s = 0.0
        self._batches: list[tuple[list[_Task], float]] = []
        self._partial: dict[Key, tuple[float, list[Sums]]] = {}

    @property
    def waiting(self) -> int:
        """Batches submitted and not collected."""
        return len(self._batches)

    @property
    def collected_s(self) -> float:
        """Time up to which everything has been collected, or infinity."""
        return self._collected_s

    def needs_from(self, known: int) -> int:
        """The first sample that is still needed when blocks before ``known`` are decided."""
        first = int(self._blocks[0]) if len(self._blocks) else known
        return max(0, first - _CONTEXT) * _BLOCK_SAMPLES

    def add(self, blocks: Int, rows: list[Row]) -> None:
        """Add active blocks, behind all earlier ones, and rows, which may reach past them."""
        self._blocks = np.concatenate([self._blocks, blocks])
        self._rows += rows

    def submit(self, samples: SampleBuffer, known: int, *, final: bool = False) -> None:
        """Start the chunks that are full (every one when ``final``).

        Blocks before ``known`` are decided; a chunk does not wait for long to fill.
        """
        tasks = []
        for chunk in self._cut(known, final=final):
            rows = [row for row in self._rows if chunk.touches(row)]
            whole = [row for row in rows if chunk.holds(row)]
            parts = [row for row in rows if not chunk.holds(row)]
            first = max(0, int(chunk.blocks[0]) - _CONTEXT)
            last = int(chunk.blocks[-1]) + 1 + _CONTEXT
            audio = [
                samples.cut(begin * _BLOCK_SAMPLES, end * _BLOCK_SAMPLES + _TICK_TAIL)
                for begin, end in _stretches(chunk.blocks, first, last)
            ]
            lead = int(chunk.blocks[0]) - first
            future = self._start(_embed(self._models, chunk, audio, lead, whole, parts))
            tasks.append(_Task(chunk, future, whole, parts))
        self._rows = [row for row in self._rows if row.end_s > self._chunked_s]
        self._batches.append((tasks, self._chunked_s))

    @property
    def undone(self) -> bool:
        """Whether there is something to `work` on."""
        return bool(self._undone)

    def work(self, *, oldest: bool = False) -> Asking[None]:
        """Do what has been submitted, or the ``oldest`` batch of it: without an executor only."""
        while self._undone and not (oldest and self._oldest_done):
            work, future = self._undone.pop(0)
            future.set_result((yield from work))

    @property
    def _oldest_done(self) -> bool:
        return not self._batches or all(task.future.done() for task in self._batches[0][0])

    def collect(self) -> Iterator[tuple[Key, Float]]:
        """Wait for the oldest batch; yield what is complete.

        That is the key and the unit-norm embedding [D] of a row, or ("block", number) and the
        probe's scores [frames, n] of a block.
        """
        tasks, chunked_s = self._batches.pop(0)
        for task in tasks:
            # Nobody would ever do what was not worked on before.
            heard = task.future.result(None if self._executor else 0)
            yield from zip((row.key for row in task.whole), heard.vectors, strict=True)
            blocks = (("block", block) for block in task.chunk.blocks.tolist())
            yield from zip(blocks, heard.scores, strict=True)
            for i, row in enumerate(task.parts):
                part = [_pick(each, [i]) for each in heard.parts]
                if row.key in self._partial:
                    _, before = self._partial[row.key]
                    part = [_add(a, b) for a, b in zip(before, part, strict=True)]
                self._partial[row.key] = (row.end_s, part)
        for key in [key for key, (end_s, _) in self._partial.items() if end_s <= chunked_s]:
            _, part = self._partial.pop(key)
            if all(each.count[0] > 0 for each in part):
                yield key, _vectors(self._models.networks, part)[0]
        self._collected_s = chunked_s

    def abandon(self) -> None:
        """Take back the work that has not begun."""
        for tasks, _ in self._batches:
            for task in tasks:
                task.future.cancel()

    def _start(self, work: Asking[_Heard]) -> Future[_Heard]:
        if self._executor is not None:
            return self._executor.submit(answer_alone, work, self._models.answers)
        future: Future[_Heard] = Future()
        self._undone.append((work, future))
        return future

    def _cut(self, known: int, *, final: bool) -> Iterator[_Chunk]:
        limit = known if final else known - _MARGIN
        limit_s = math.inf if final else limit * BLOCK_S  # rows may reach past the recording's end
        ready, later = np.split(self._blocks, [np.searchsorted(self._blocks, limit)])
        while len(ready):
            full = len(ready) >= _CHUNK
            if not (full or final or limit - int(ready[0]) > self._patience):
                break
            blocks, ready = ready[:_CHUNK], ready[_CHUNK:]
            begin_s = self._chunked_s
            self._chunked_s = (int(blocks[-1]) + 1) * BLOCK_S if len(ready) else limit_s
            yield _Chunk(blocks, begin_s, self._chunked_s)
        if not len(ready):
            self._chunked_s = max(self._chunked_s, limit_s)
        self._blocks = np.concatenate([ready, later])


def _embed(
    models: Models,
    chunk: _Chunk,
    audio: list[Float],
    lead: int,
    whole: list[Row],
    parts: list[Row],
) -> Asking[_Heard]:
    """Run the networks over ``chunk``."""
    heard = np.concatenate([models.features(stretch) for stretch in audio])
    rows = whole + parts
    inside, outside = list(range(len(whole))), list(range(len(whole), len(rows)))
    sums = []
    scores = np.zeros((len(chunk.blocks), 0, 0), np.float32)
    for i, network in enumerate(models.networks):
        frames = yield Ask(network=network.name, values=heard, patient=True)
        per_block = _BLOCK_TICKS // network.subsampling
        sums.append(pool(frames, _intervals(chunk, rows, per_block, lead), len(rows)))
        if i == models.probed:
            first, count = lead * per_block, len(chunk.blocks)
            own = models.probe(frames)[first : first + count * per_block]
            scores = own.reshape(count, per_block, -1)
    return _Heard(
        vectors=_vectors(models.networks, [_pick(each, inside) for each in sums]),
        parts=[_pick(each, outside) for each in sums],
        scores=scores,
    )


def _intervals(chunk: _Chunk, rows: list[Row], per_block: int, lead: int) -> Int:
    """Where the rows lie in the frame map: int64 [n, 3], row, first frame, the one behind.

    The map has ``per_block`` frames per block and ``lead`` blocks of context in front. A row
    inside the chunk gets one frame at least.
    """
    index = np.repeat(np.arange(len(rows)), [len(row.intervals) for row in rows])
    if not len(index):
        return np.zeros((0, 3), np.int64)
    times = np.concatenate([row.intervals for row in rows])
    frames = np.rint(times * (per_block / BLOCK_S)).astype(np.int64)
    blocks, rest = np.divmod(frames, per_block)
    order = np.searchsorted(chunk.blocks, blocks)
    here = chunk.blocks[np.minimum(order, len(chunk.blocks) - 1)] == blocks
    positions = order * per_block + np.where(here, rest, 0)
    total = len(chunk.blocks) * per_block
    begin, end = positions.T
    held = np.array([chunk.holds(row) for row in rows])[index]
    begin = np.where(held, np.minimum(begin, total - 1), begin)
    end = np.where(held, np.maximum(end, begin + 1), end)
    kept = end > begin
    offset = lead * per_block
    found = np.stack([index, begin + offset, end + offset], axis=1)[kept]
    return np.asarray(found, np.int64)


def _stretches(blocks: Int, first: int, last: int) -> list[tuple[int, int]]:
    """Runs of neighbouring blocks, the outer ones widened to ``first`` and ``last``."""
    wanted = np.zeros(last - first, np.bool_)
    wanted[blocks - first] = True
    wanted[: int(blocks[0]) - first] = True
    wanted[int(blocks[-1]) - first :] = True
    return [(begin + first, end + first) for begin, end in runs(wanted).tolist()]


def _vectors(networks: Sequence[EmbeddingNetwork], sums: list[Sums]) -> Float:
    """The networks' embeddings side by side, as one unit-norm vector per row."""
    return unit(np.concatenate([n.embed(s) for n, s in zip(networks, sums, strict=True)], axis=1))


def _pick(sums: Sums, rows: list[int]) -> Sums:
    return Sums(count=sums.count[rows], first=sums.first[rows], second=sums.second[rows])


def _add(a: Sums, b: Sums) -> Sums:
    return Sums(count=a.count + b.count, first=a.first + b.first, second=a.second + b.second)

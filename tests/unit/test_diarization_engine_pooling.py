"""Embeddings of rows while chunks stream by, against pooling by hand."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.diarization._grid import BLOCK_S
from earmark.diarization._models import Models
from earmark.diarization._pooling import Key, Pooler, Row
from earmark.diarization._samples import SampleBuffer
from earmark.voiceprints import unit
from engine import models, samples

Float = NDArray[np.float32]
Int = NDArray[np.int64]

BLOCK, CHUNK, CONTEXT = 1280, 125, 5  # samples, blocks, blocks
LATE = 8  # blocks after which a row may still be told of: a cell's begins before its speech


@pytest.fixture(scope="module")
def loaded(models_dir: Path) -> Models:
    return models(models_dir)


@pytest.fixture(scope="module")
def sound(sample_wav: Path) -> Float:
    return samples(sample_wav)


@pytest.fixture(scope="module")
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def row(number: int, *intervals: tuple[float, float]) -> Row:
    return Row(("unit", number), np.array(intervals, np.float64))


def buffer(sound: Float) -> SampleBuffer:
    held = SampleBuffer()
    held.append([sound])
    return held


def streamed(
    loaded: Models,
    executor: ThreadPoolExecutor,
    sound: Float,
    blocks: Int,
    rows: list[Row],
    *,
    rounds: list[int],
) -> dict[Key, Float]:
    """Embeddings by row when blocks get known up to ``rounds``, one after the other."""
    pooler, held, known = Pooler(loaded, executor), buffer(sound), 0
    found: dict[Key, Float] = {}
    for until in rounds:
        part = blocks[(blocks >= known) & (blocks < until)]
        final = until == rounds[-1]
        told = [one for one in rows if final or one.begin_s / BLOCK_S + LATE < until]
        rows = [one for one in rows if one not in told]
        pooler.add(part, told)
        pooler.submit(held, until, final=final)
        known = until
        held.forget(pooler.needs_from(known))
    while pooler.waiting:
        found |= collected(pooler)
    return found


def collected(pooler: Pooler) -> dict[Key, Float]:
    """The embeddings of the rows that are complete, without what the probe says of blocks."""
    return {key: value for key, value in pooler.collect() if key[0] != "block"}


def by_hand(loaded: Models, sound: Float, blocks: Int, rows: list[Row]) -> dict[Key, Float]:
    """The same, from the frames of all chunks laid side by side; rows without frames are out."""
    vectors: dict[Key, list[Float]] = {}
    for network in loaded.networks:
        per_block = 8 // network.subsampling
        frames: dict[int, Float] = {}
        for first in range(0, len(blocks), CHUNK):
            chunk = blocks[first : first + CHUNK].tolist()
            before = range(max(0, chunk[0] - CONTEXT), chunk[0])
            heard = [*before, *chunk, *range(chunk[-1] + 1, chunk[-1] + 1 + CONTEXT)]
            # Integer networks make much of a feature's last bits, and those depend on what is
            # transformed together: neighbouring blocks.
            breaks = [i for i in range(1, len(heard)) if heard[i] != heard[i - 1] + 1]
            features = []
            for begin, end in pairwise([0, *breaks, len(heard)]):
                piece = sound[heard[begin] * BLOCK : (heard[end - 1] + 1) * BLOCK + 240]
                missing = (end - begin) * BLOCK + 240 - len(piece)
                features.append(loaded.features(np.pad(piece, (0, missing))))
            frame_map = network.frame_map(np.concatenate(features))
            for place, block in enumerate(heard):
                if block in chunk:
                    for i in range(per_block):
                        frames[block * per_block + i] = frame_map[place * per_block + i]
        for one in rows:
            edges = np.rint(one.intervals * (per_block / BLOCK_S)).astype(int).tolist()
            wanted = [frames[i] for a, b in edges for i in range(a, b) if i in frames]
            if wanted:
                stack = np.stack(wanted).astype(np.float64)
                deviation = stack.std(axis=0, ddof=min(1, len(stack) - 1))
                pooled = [stack.mean(axis=0), np.sqrt(deviation**2 + network.epsilon)]
                vector = np.concatenate(pooled) @ network.weight.T + network.bias
                vectors.setdefault(one.key, []).append(vector / np.linalg.norm(vector))
    return {key: unit(np.concatenate(parts)[None])[0] for key, parts in vectors.items()}


def assert_alike(found: dict[Key, Float], expected: dict[Key, Float]) -> None:
    assert found.keys() == expected.keys()
    for key, vector in found.items():
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(vector, expected[key], atol=1e-4, err_msg=str(key))


ROWS = [
    row(0, (0.5, 2.5)),
    row(1, (7.0, 8.0), (8.3, 8.9)),
    row(2, (9.2, 11.0)),  # from the first chunk into the second
    row(3, (9.0, 9.4), (9.9, 10.1), (12.0, 13.0)),
    row(4, (19.0, 21.5)),  # from the second into the third
    row(5, (8.0, 22.0)),  # through all three
    row(6, (15.0, 15.96)),
    row(7, (26.0, 28.0)),
    row(8, (10.0, 20.0)),  # exactly the second
    row(9, (9.8, 10.6)),  # told of when the first chunk's blocks have long been known
]


def test_rows_within_chunks_and_across_them(
    loaded: Models, executor: ThreadPoolExecutor, sound: Float
) -> None:
    blocks = np.arange(375)
    found = streamed(loaded, executor, sound, blocks, ROWS, rounds=[128, 200, 254, 375])
    assert_alike(found, by_hand(loaded, sound, blocks, ROWS))


def test_pauses_are_left_out(loaded: Models, executor: ThreadPoolExecutor, sound: Float) -> None:
    talk = [(0, 33), (84, 130), (134, 260), (271, 290), (300, 372)]
    blocks = np.concatenate([np.arange(first, last) for first, last in talk])
    rows = [
        row(0, (6.8, 8.0)),
        row(1, (2.0, 7.0)),  # over a pause
        row(2, (10.0, 11.0)),  # over a short one
        row(3, (3.0, 6.9)),  # nearly all in one
        row(4, (20.0, 24.5)),
        row(5, (13.4, 13.5), (23.3, 24.1)),
    ]
    found = streamed(loaded, executor, sound, blocks, rows, rounds=[150, 375])
    assert_alike(found, by_hand(loaded, sound, blocks, rows))


def test_a_row_in_a_pause_gets_the_frame_behind_it(
    loaded: Models, executor: ThreadPoolExecutor, sound: Float
) -> None:
    blocks = np.concatenate([np.arange(84, 110), np.arange(130, 200)])
    found = streamed(loaded, executor, sound, blocks, [row(0, (9.2, 9.9))], rounds=[200])
    # Block 130, and in the finer map of CAM++ the first of its four frames.
    block, quarter = row(0, (10.4, 10.48)), row(1, (10.4, 10.42))
    expected = by_hand(loaded, sound, blocks, [block, quarter])
    both = [expected[block.key][:256], expected[quarter.key] / np.sqrt(2)]
    np.testing.assert_allclose(found["unit", 0], np.concatenate(both), atol=1e-4)


def test_a_row_that_reaches_past_the_end_is_embedded(
    loaded: Models, executor: ThreadPoolExecutor, sound: Float
) -> None:
    blocks, rows = np.arange(84, 160), [row(0, (12.0, 14.0)), row(1, (12.6, 12.9))]
    found = streamed(loaded, executor, sound[: 160 * BLOCK], blocks, rows, rounds=[100, 160])
    assert_alike(found, by_hand(loaded, sound[: 160 * BLOCK], blocks, rows))


def test_silence_has_no_rows(loaded: Models, executor: ThreadPoolExecutor, sound: Float) -> None:
    nothing = np.zeros(0, np.int64)
    assert streamed(loaded, executor, sound, nothing, [], rounds=[100, 375]) == {}


def test_results_do_not_depend_on_when_blocks_get_known(
    loaded: Models, executor: ThreadPoolExecutor, sound: Float
) -> None:
    blocks = np.arange(375)
    once = streamed(loaded, executor, sound, blocks, ROWS, rounds=[375])
    often = streamed(loaded, executor, sound, blocks, ROWS, rounds=[*range(25, 375, 25), 375])
    assert once.keys() == often.keys()
    assert all(np.array_equal(once[key], often[key]) for key in once)


def test_a_chunk_does_not_wait_for_ever(
    loaded: Models, executor: ThreadPoolExecutor, sound: Float
) -> None:
    held, pooler = buffer(sound), Pooler(loaded, executor)
    pooler.add(np.arange(90, 110), [row(0, (7.4, 8.6))])
    pooler.submit(held, 1500)
    assert list(pooler.collect()) == []
    assert pooler.needs_from(1500) == (90 - CONTEXT) * BLOCK  # it keeps what it waits with
    pooler.submit(held, 1700)
    assert pooler.needs_from(1700) == (1700 - CONTEXT) * BLOCK
    expected = by_hand(loaded, sound, np.arange(90, 110), [row(0, (7.4, 8.6))])
    assert_alike(collected(pooler), expected)


def test_what_speech_after_a_pause_needs_is_kept(
    loaded: Models, executor: ThreadPoolExecutor
) -> None:
    pooler = Pooler(loaded, executor)
    pooler.submit(buffer(np.zeros(16_000, np.float32)), 300)
    assert pooler.needs_from(300) <= (300 - CONTEXT) * BLOCK
    assert pooler.needs_from(2) == 0


def test_the_buffer_finds_samples_by_their_place_in_the_recording() -> None:
    held = SampleBuffer()
    held.append([np.arange(5, dtype=np.float32), np.arange(5, 10, dtype=np.float32)])
    held.forget(4)
    held.forget(2)  # already gone
    assert held.end == 10
    assert held.cut(4, 7).tolist() == [4, 5, 6]
    assert held.cut(8, 12).tolist() == [8, 9, 0, 0]
    assert held.cut(11, 13).tolist() == [0, 0]
    held.append([np.array([10], np.float32)])
    assert held.cut(9, 11).tolist() == [9, 10]
    with pytest.raises(AssertionError):
        held.cut(3, 7)


def test_the_probe_scores_every_block_once(
    loaded: Models, executor: ThreadPoolExecutor, sound: Float
) -> None:
    blocks = np.concatenate([np.arange(20, 180), np.arange(200, 300)])
    pooler = Pooler(loaded, executor)
    pooler.add(blocks, [])
    pooler.submit(buffer(sound), 375, final=True)
    scores = {number: value for (kind, number), value in pooler.collect() if kind == "block"}
    assert sorted(scores) == blocks.tolist()
    assert all(value.shape == (4, 2) and np.isfinite(value).all() for value in scores.values())

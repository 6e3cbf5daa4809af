"""The pass over the samples: the same evidence however they arrive, and all of them heard."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.diarization._analysis import Analysis
from earmark.diarization._evidence import CELL_S, Evidence, EvidenceBuilder
from earmark.diarization._grid import FRAME_S, FRAME_START_S, WINDOW_FRAMES
from earmark.diarization._models import Models
from earmark.diarization._parameters import ACCURATE, FAST
from engine import analyse, differences, models, samples

Float = NDArray[np.float32]

ROUND_S = 16 * 296 * FRAME_S  # of 16 windows: 79.92 s


@pytest.fixture(scope="module")
def loaded(models_dir: Path) -> Models:
    return models(models_dir, fast=True)


@pytest.fixture(scope="module")
def speech(sample_wav: Path) -> Float:
    """23 s of talk."""
    return samples(sample_wav)[7 * 16_000 :]


def silence(seconds: float) -> Float:
    return np.zeros(round(seconds * 16_000), np.float32)


@pytest.fixture(scope="module")
def sparse(speech: Float) -> Float:
    """Three rounds of windows, with a pause that no chunk waits through."""
    parts = [speech, silence(130.0), speech[:48_000], silence(31.7), speech]
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def evidence(loaded: Models, sparse: Float) -> Evidence:
    return analyse(loaded, sparse, FAST)


@pytest.mark.parametrize(("block", "threads"), [(160, 1), (7777, 4), (160_000, 2), (10**9, 3)])
def test_evidence_does_not_depend_on_blocks_or_threads(
    loaded: Models, sparse: Float, evidence: Evidence, block: int, threads: int
) -> None:
    again = analyse(loaded, sparse, FAST, block=block, threads=threads)
    assert differences(again, evidence) == []


def test_samples_may_come_one_by_one(models_dir: Path, speech: Float) -> None:
    loaded, part = models(models_dir), speech[:80_000]
    together = analyse(loaded, part, ACCURATE)
    assert differences(analyse(loaded, part, ACCURATE, block=1), together) == []


def test_evidence_has_the_shape_it_promises(sparse: Float, evidence: Evidence) -> None:
    assert evidence.duration == len(sparse) / 16_000
    frames, (windows, units) = (
        len(evidence.speech),
        evidence.local.shape[:1] + evidence.unit_vector.shape[:1],
    )
    assert abs(frames * FRAME_S - evidence.duration) < 0.1
    assert evidence.overlap.shape == evidence.depth.shape == (frames,)
    assert evidence.local.shape == (windows, WINDOW_FRAMES, 3)
    assert evidence.window_frame.shape == (windows,)
    assert evidence.unit_span.shape == (units, 2)
    assert evidence.unit_vector.shape == (units, 192)
    assert evidence.cell_vector.shape == (len(evidence.cell), 192)
    assert evidence.depth.min() >= 1  # every frame is seen
    assert (np.diff(evidence.unit_window) >= 0).all()
    assert (np.diff(evidence.cell) > 0).all()


def test_a_cell_is_told_of_once() -> None:
    builder = EvidenceBuilder()
    assert [builder.add_cell(cell) for cell in (3, 3, 4, 9, 9)] == [True, False, True, True, False]
    builder.set_cell(9, np.array([0.0, 0.5, -1.0], np.float32))
    found = builder.build(duration=3.0)
    assert found.cell.tolist() == [3, 4, 9]
    assert found.cell_vector.tolist() == [[0, 0, 0], [0, 0, 0], [0, 64, -127]]


def test_speech_is_where_it_was_put(evidence: Evidence) -> None:
    times = (np.arange(len(evidence.speech)) + 0.5) * FRAME_S + FRAME_START_S
    quiet = ((times > 24) & (times < 152)) | ((times > 157) & (times < 187))
    assert evidence.speech[quiet].max() < 0.2
    assert evidence.speech[(times > 1) & (times < 22)].mean() > 0.8
    assert set((evidence.cell * CELL_S // 10).tolist()) == {0, 1, 2, 15, 18, 19, 20, 21}


def test_units_with_clean_speech_have_vectors(evidence: Evidence) -> None:
    length = np.linalg.norm(evidence.unit_vector.astype(np.float32), axis=1)
    enough = evidence.unit_clean_s >= FAST.unit_least_s
    np.testing.assert_allclose(length[enough], 1, atol=2e-3)
    assert (length[~enough] == 0).all()
    assert enough.sum() > 20


def test_every_cell_has_a_vector_up_to_the_end(models_dir: Path, speech: Float) -> None:
    found = analyse(models(models_dir), speech[: 9 * 16_000], ACCURATE)
    assert found.cell[-1] * CELL_S > 8.5
    assert (np.abs(found.cell_vector).max(axis=1) == 127).all()


@pytest.mark.parametrize("late", [0.2, 0.5, 1.0])
def test_speech_at_the_border_of_two_rounds_is_heard(
    loaded: Models, speech: Float, late: float
) -> None:
    """The embeddings of speech after a pause that ends as a round of windows does."""
    part = speech[: 9 * 16_000]
    early = np.concatenate([silence(late), part, silence(5)])
    at_border = np.concatenate([silence(ROUND_S), early])
    expected, found = (analyse(loaded, sound, FAST) for sound in (early, at_border))
    shift = round(ROUND_S / CELL_S)
    both, i, j = np.intersect1d(expected.cell + shift, found.cell, return_indices=True)
    assert len(both) > 35
    a, b = expected.cell_vector[i].astype(np.float32), found.cell_vector[j].astype(np.float32)
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine.min() > 0.8


@pytest.mark.parametrize("samples_more", [-1, 0, 1])
def test_a_recording_may_end_where_a_round_of_windows_ends(
    loaded: Models, samples_more: int
) -> None:
    length = 15 * 296 * 270 + 160_000 + samples_more
    found = analyse(loaded, silence(length / 16_000), FAST)
    assert len(found.window_frame) == 16 + (samples_more > 0)
    assert found.duration == length / 16_000


def test_analysed_time_grows_to_the_end(loaded: Models, sparse: Float) -> None:
    seen: list[float] = []
    with ThreadPoolExecutor(2) as executor:
        analysis = Analysis(loaded, FAST, executor)
        for start in range(0, len(sparse), 160_000):
            analysis.push(sparse[start : start + 160_000])
            seen.append(analysis.analysed_s)
        analysis.finish(lambda: seen.append(analysis.analysed_s))
    assert seen == sorted(seen)
    assert seen[0] == 0.0
    assert seen[-1] == len(sparse) / 16_000
    assert len(set(seen)) > 4


def test_an_abandoned_analysis_leaves_no_work(loaded: Models, sparse: Float) -> None:
    with ThreadPoolExecutor(1) as executor:
        analysis = Analysis(loaded, FAST, executor)
        analysis.push(sparse[: 170 * 16_000])
        futures: list[Future[Any]] = [
            future for under_way in analysis._segmented for _, future in under_way.batches
        ]
        futures += [
            task.future for tasks, _ in analysis._gathering.pooler._batches for task in tasks
        ]
        open_ = sum(not future.done() for future in futures)
        analysis.abandon()
        assert open_ > 2
        assert sum(future.cancelled() for future in futures) >= open_ - 2  # but what has begun


@pytest.mark.parametrize("length", [1, 2, 400, 1600, 8000, 159_999, 160_000, 160_001])
def test_any_length_is_seen_to_its_end(loaded: Models, speech: Float, length: int) -> None:
    found = analyse(loaded, speech[:length], FAST)
    end = len(found.speech) * FRAME_S + FRAME_START_S
    assert length / 16_000 - 0.04 < end < length / 16_000 + 0.04
    assert len(found.window_frame) == (1 if length <= 160_000 else 2)

"""Embeddings from pooled frame maps, and products that do not depend on threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from earmark.models import ModelStore, load_session, product
from earmark.models._product import _GRAPH
from earmark.voiceprints import EmbeddingNetwork, Sums, pool, unit
from engine import models, samples, settings

Float = NDArray[np.float32]


@pytest.fixture(scope="module", params=["campplus", "wespeaker"])
def network(request: pytest.FixtureRequest, models_dir: Path) -> EmbeddingNetwork:
    store = ModelStore(settings(models_dir))
    return EmbeddingNetwork.load(request.param, store, int8=False, provider="cpu")


@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(1, 12)), max_size=12),
)
def test_pooling_sums_each_row_s_frames(length: int, stretches: list[tuple[int, int, int]]) -> None:
    frames = np.random.default_rng(length).normal(size=(length, 3)).astype(np.float32)
    intervals = [(row, a, min(a + n, length)) for row, a, n in sorted(stretches) if a < length]
    sums = pool(frames, np.array(intervals, np.int64).reshape(-1, 3), 5)
    for row in range(5):
        mine = [frames[a:b] for r, a, b in intervals if r == row]
        together = np.concatenate([np.zeros((0, 3), np.float32), *mine])
        assert sums.count[row] == len(together)
        np.testing.assert_allclose(sums.first[row], together.sum(axis=0), atol=1e-4)
        np.testing.assert_allclose(sums.second[row], (together**2).sum(axis=0), atol=1e-4)


def test_an_embedding_is_that_of_the_whole_network(
    network: EmbeddingNetwork, models_dir: Path, sample_wav: Path
) -> None:
    """Up to rounding, for samples of the scale that the network was trained with."""
    name, scale = ("campplus", 1.0) if network.subsampling == 2 else ("wespeaker-resnet34", 32768.0)
    whole = load_session(ModelStore(settings(models_dir)).path(name), threads=1)
    features = models(models_dir).features
    sound = samples(sample_wav)[112_000:176_000]
    trained = features(sound * np.float32(scale / 32768))
    centered = (trained - trained.mean(axis=0))[None]
    expected = unit(np.asarray(whole.run(None, {whole.get_inputs()[0].name: centered})[0]))
    frames = network.frame_map(features(sound))
    assert frames.shape == (-(-398 // network.subsampling), network.channels)
    found = network.embed(pool(frames, np.array([[0, 0, len(frames)]]), 1))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_sums_of_parts_are_those_of_the_whole(network: EmbeddingNetwork) -> None:
    frames = np.random.default_rng(0).normal(size=(40, network.channels)).astype(np.float32)
    frames = np.maximum(frames, 0)
    whole = pool(frames, np.array([[0, 3, 33]]), 1)
    a, b = (
        pool(frames[:20], np.array([[0, 3, 20]]), 1),
        pool(frames[20:], np.array([[0, 0, 13]]), 1),
    )
    both = Sums(count=a.count + b.count, first=a.first + b.first, second=a.second + b.second)
    np.testing.assert_allclose(network.embed(both), network.embed(whole), atol=1e-5)
    exact = np.concatenate([frames[3:33].mean(axis=0), frames[3:33].std(axis=0, ddof=1)])
    expected = unit((exact @ network.weight.T + network.bias)[None])
    np.testing.assert_allclose(network.embed(whole), expected, atol=1e-4)


def test_one_frame_has_an_embedding(network: EmbeddingNetwork) -> None:
    frames = np.ones((1, network.channels), np.float32)
    (vector,) = network.embed(pool(frames, np.array([[0, 0, 1]]), 1))
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_silence_has_features(models_dir: Path) -> None:
    loaded = models(models_dir)
    features = loaded.features(np.zeros(16_000, np.float32))
    assert all(np.isfinite(network.frame_map(features)).all() for network in loaded.networks)


def test_rows_of_zeros_stay_zero() -> None:
    rows = np.array([[0, 0], [3, 4]], np.float32)
    np.testing.assert_allclose(unit(rows), np.array([[0, 0], [0.6, 0.8]]), atol=1e-6)


def test_a_product_is_numpy_s() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(n, 448)).astype(np.float32) for n in (300, 70))
    exact = a.astype(np.float64) @ b.astype(np.float64).T
    np.testing.assert_allclose(product(a, b), exact, atol=1e-3)
    assert product(a[:0], b).shape == (0, 70)
    assert product(a, b[:0]).shape == (300, 0)
    strided = np.asfortranarray(b)[::2]
    np.testing.assert_array_equal(product(a, strided), product(a, strided.copy()))


def test_the_product_s_graph_is_what_it_says() -> None:
    graph = onnx.load_model_from_string(_GRAPH).graph
    (node,) = graph.node
    assert (node.op_type, list(node.input), list(node.output)) == ("Gemm", ["a", "b"], ["c"])
    assert {each.name: each.i for each in node.attribute} == {"transB": 1}


def test_products_are_the_same_whatever_blas_does() -> None:
    script = (
        "import hashlib, numpy as np; from earmark.models import product;"
        "a, b = (np.random.default_rng(0).normal(size=(n, 5120)).astype('f4') for n in (100, 256));"
        "print(hashlib.sha256(product(a, b).tobytes()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            check=True,
        ).stdout
        for threads in ("1", "4")
    }
    assert len(found) == 1

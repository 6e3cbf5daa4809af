"""Integer networks: the arithmetic of a layer, and how near the networks stay to the float ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import numpy_helper

from earmark.models import ModelStore, load_session
from earmark.models._campplus_int8 import CALIBRATED
from earmark.models._folding import Convolution
from earmark.models._int8 import Activation, IntegerGraph, read_ranges
from earmark.models._wespeaker_int8 import calibrated
from earmark.settings import Settings
from model_signals import filter_banks

TRUNKS = ("campplus-trunk-int8", "wespeaker-trunk-int8")


@pytest.fixture(scope="module")
def store(models_dir: Path) -> ModelStore:
    return ModelStore(Settings(models_dir=models_dir, offline=True))


def layers(seed: int) -> tuple[Convolution, Activation, NDArray[np.uint8]]:
    """A layer, an input with a scale and an offset per channel, and bytes for it."""
    random = np.random.default_rng(seed)
    channels, outputs = 2 * int(random.integers(1, 20)), int(random.integers(1, 9))
    layer = Convolution(
        weight=random.normal(size=(outputs, channels, 1)), bias=random.normal(size=outputs)
    )
    scale = np.exp(random.normal(size=channels))
    x = Activation(name="x", scale=scale, zero=random.uniform(-50, 200, channels))
    return layer, x, random.integers(0, 256, (100, channels)).astype(np.uint8)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_rounded_layer_is_near_the_exact_one(seed: int) -> None:
    layer, x, values = layers(seed)
    real = (values - x.zero) * x.scale
    exact = real @ layer.weight[:, :, 0].T + layer.bias
    weight, step, bias = IntegerGraph().round_weight(x, layer, mean=real.mean(axis=0))
    rounded = step * (values.astype(np.int64) @ weight[:, :, 0].T.astype(np.int64)) + bias
    # Each weight is off by half a step at most, and the mean of what that makes is taken off.
    spread = np.abs(values - values.mean(axis=0)).sum(axis=1).max()
    assert (np.abs(rounded - exact) <= 0.5 * step * spread + 1e-6).all()
    np.testing.assert_allclose(rounded.mean(axis=0), exact.mean(axis=0), atol=1e-6 * spread)


@given(seed=st.integers(0, 2**32 - 1))
def test_two_products_never_pass_16_bits(seed: int) -> None:
    layer, x, _ = layers(seed)
    weight, _, _ = IntegerGraph().round_weight(x, layer, mean=0.0)
    assert_pairs_fit(weight)


def assert_pairs_fit(weight: NDArray[np.int8]) -> None:
    """No two bytes times two neighboring weights leave the range of int16."""
    rows = np.moveaxis(weight, 1, -1).reshape(len(weight), -1).astype(np.int64)
    pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(-1, 2) * 255
    assert np.maximum(pairs, 0).sum(axis=1).max() <= 2**15 - 1
    assert np.minimum(pairs, 0).sum(axis=1).min() >= -(2**15)


@pytest.mark.parametrize("name", TRUNKS)
def test_no_product_of_a_network_passes_16_bits(store: ModelStore, name: str) -> None:
    graph = onnx.load(store.path(name)).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    convolutions = [n for n in graph.node if n.op_type == "QLinearConv"]
    assert len(convolutions) > 30
    for node in convolutions:
        assert_pairs_fit(constants[node.input[3]])


@pytest.mark.parametrize("name", TRUNKS)
def test_an_integer_trunk_stays_near_the_float_one(store: ModelStore, name: str) -> None:
    feats = filter_banks(998)
    exact, rounded = (
        load_session(store.path(trunk), threads=1).run(None, {"feats": feats})[0][0]
        for trunk in (name.removesuffix("-int8"), name)
    )
    with np.load(store.path(name.replace("trunk-int8", "head"))) as head:
        pooled = [np.concatenate([m.mean(axis=1), m.std(axis=1)]) for m in (exact, rounded)]
        a, b = (head["W"] @ p + head["b"] for p in pooled)
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.994


def test_the_integer_segmentation_stays_near_the_float_one(store: ModelStore) -> None:
    bands = np.abs(filter_banks(5325)).transpose(0, 2, 1) * 0.1
    exact, rounded = (
        np.exp(load_session(store.path(body), threads=1).run(None, {"magnitudes": bands})[0])
        for body in ("segmentation-body", "segmentation-body-int8")
    )
    assert exact.shape == rounded.shape == (1, 589, 7)
    assert np.abs(exact - rounded).mean() < 0.005
    assert (exact.argmax(axis=2) == rounded.argmax(axis=2)).mean() > 0.97


def test_ranges_are_there_for_what_the_builders_need(store: ModelStore) -> None:
    wanted = (dict(CALIBRATED), calibrated(store.path("wespeaker-trunk")))
    for name, kinds in zip(TRUNKS, wanted, strict=True):
        ranges = read_ranges(name)
        assert set(ranges) == set(kinds)
        for tensor, span in ranges.items():
            assert (span.low <= span.high).all()
            assert (span.low.ndim == 1) == (kinds[tensor] == "channel")
            assert (span.mean is not None) == (kinds[tensor] == "mean")

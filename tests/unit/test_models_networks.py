"""The networks that are built from stored weights, against the networks they come from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from earmark.errors import ModelCorrupt
from earmark.models import Derived, ModelStore, catalogue, load_session
from earmark.models._derive import BUILDERS
from earmark.models._segmentation_int8 import write_body
from earmark.models._trunk import cut_wespeaker, wespeaker_head
from earmark.settings import Settings
from model_signals import filter_banks

# The embedding that torch computes from `filter_banks(398)` with the published code of the network,
# less the ReLU behind its last normalization.
EXPECTED = json.loads(Path(__file__).with_name("models_expected.json").read_text())["campplus"]
FULL = {"campplus": "campplus", "wespeaker": "wespeaker-resnet34"}
# The start of each file's SHA-256. Who changes what a builder writes raises `_derive._VERSION`,
# or files built before would be taken for new ones.
BUILT = {
    "campplus": "543270eaf6e8916b",
    "campplus-head": "3e5b677fc97cec58",
    "campplus-trunk": "a5e9c4e9d0321203",
    "campplus-trunk-int8": "ca2876a6cc0c0999",
    "segmentation-body-int8": "fb20fd42e030d464",
    "wespeaker-head": "80f0cd7b4ca6646e",
    "wespeaker-trunk": "f256af709aa3a9fe",
    "wespeaker-trunk-int8": "6c3e1138ca8fdebb",
}

Float = NDArray[np.float32]


@pytest.fixture(scope="module")
def store(models_dir: Path) -> ModelStore:
    return ModelStore(Settings(models_dir=models_dir, offline=True))


def run(store: ModelStore, model: str, feats: Float, *, threads: int = 1) -> Float:
    session = load_session(store.path(model), threads=threads)
    return np.asarray(session.run(None, {"feats": feats})[0])


def pool(store: ModelStore, kind: str, frames: Float) -> Float:
    """Embeddings [B, emb] of frame maps [B, C, F]."""
    with np.load(store.path(f"{kind}-head")) as head:
        deviation = np.sqrt(frames.var(axis=2, ddof=1) + head["eps"])
        pooled = np.concatenate([frames.mean(axis=2), deviation], axis=1)
        return np.asarray(pooled @ head["W"].T + head["b"])


def test_campplus_is_the_published_network(store: ModelStore) -> None:
    embedding = run(store, "campplus", filter_banks(398))
    np.testing.assert_allclose(embedding, [EXPECTED], atol=1e-4)


# A segment of the mask is 200 input frames: one short of it, whole, one more, and several.
@pytest.mark.parametrize("frames", [40, 199, 200, 201, 202, 998])
@pytest.mark.parametrize("kind", ["campplus", "wespeaker"])
def test_a_trunk_and_its_head_are_the_whole_network(
    store: ModelStore, kind: str, frames: int
) -> None:
    feats = filter_banks(frames)
    maps = run(store, f"{kind}-trunk", feats)
    channels, step = {"campplus": (512, 2), "wespeaker": (2560, 8)}[kind]
    assert maps.shape == (1, channels, -(-frames // step))
    np.testing.assert_allclose(pool(store, kind, maps), run(store, FULL[kind], feats), atol=1e-4)


def test_a_single_frame_has_no_deviation(store: ModelStore) -> None:
    assert np.isfinite(run(store, "campplus", filter_banks(2))).all()


@pytest.mark.parametrize("trunk", ["campplus-trunk", "wespeaker-trunk"])
@pytest.mark.parametrize("suffix", ["", "-int8"])
def test_a_batch_and_more_threads_change_nothing(
    store: ModelStore, trunk: str, suffix: str
) -> None:
    parts = [filter_banks(250, tract) for tract in (0.9, 1.0, 1.1)]
    alone = np.concatenate([run(store, trunk + suffix, part) for part in parts])
    together = run(store, trunk + suffix, np.concatenate(parts), threads=3)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("name", sorted(BUILT))
def test_a_builder_writes_the_same_file_everywhere(
    store: ModelStore, tmp_path: Path, name: str
) -> None:
    model = catalogue()[name]
    assert isinstance(model, Derived)
    output = tmp_path / "output"
    BUILDERS[model.builder]({i: store.path(i) for i in model.inputs}, output)
    assert hashlib.sha256(output.read_bytes()).hexdigest().startswith(BUILT[name])


def test_another_network_is_refused(tmp_path: Path) -> None:
    other, output = tmp_path / "other.onnx", tmp_path / "output"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [])), other)
    with pytest.raises(ModelCorrupt, match=r"other\.onnx"):
        cut_wespeaker(other, output)
    with pytest.raises(ModelCorrupt, match=r"other\.onnx"):
        wespeaker_head(other)
    with pytest.raises(ModelCorrupt, match=r"other\.onnx"):
        write_body(other, output)
    assert not output.exists()

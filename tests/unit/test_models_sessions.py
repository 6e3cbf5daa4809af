"""Sessions: shared by threads, and refused with a reason."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from earmark.errors import MissingExtra, ModelCorrupt, ModelMissing
from earmark.models import load_session
from earmark.models._graph import Graph


@pytest.fixture
def doubler(tmp_path: Path) -> Path:
    """A network that adds its input to itself."""
    graph = Graph()
    graph.add("Add", "x", "x", name="y")
    path = tmp_path / "doubler.onnx"
    graph.save(path, inputs={"x": ["n"]}, outputs={"y": ["n"]})
    return path


def test_threads_share_a_session(doubler: Path) -> None:
    session = load_session(doubler, threads=1)

    def run(n: int) -> bool:
        x = np.arange(n, dtype=np.float32)
        return bool((session.run(None, {"x": x})[0] == 2 * x).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(1, 400)))


def test_threads_are_the_session_s(doubler: Path) -> None:
    options = load_session(doubler, threads=2).get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.inter_op_num_threads == 1


@pytest.mark.parametrize("provider", ["cuda", "openvino"])
def test_a_provider_that_is_not_installed_says_what_to_do(doubler: Path, provider: str) -> None:
    names = {"cuda": "CUDAExecutionProvider", "openvino": "OpenVINOExecutionProvider"}
    if names[provider] in onnxruntime.get_available_providers():
        pytest.skip(f"this onnxruntime has {names[provider]}")
    with pytest.raises(MissingExtra, match="EARMARK_PROVIDER=cpu"):
        load_session(doubler, threads=1, provider=provider)  # type: ignore[arg-type]


def test_a_missing_file_is_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"nothing\.onnx"):
        load_session(tmp_path / "nothing.onnx", threads=1)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x08\x12\x00"])
def test_a_damaged_file_is_a_corrupt_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelCorrupt, match=r"damaged\.onnx"):
        load_session(path, threads=1)


def test_a_truncated_network_is_a_corrupt_model(doubler: Path) -> None:
    doubler.write_bytes(doubler.read_bytes()[:-4])
    with pytest.raises(ModelCorrupt):
        load_session(doubler, threads=1)

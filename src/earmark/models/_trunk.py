"""Embedding networks in two parts: the trunk up to statistics pooling, and the head behind it.

With the trunk run once over the speech, the embedding of any set of frames is a weighted mean and
standard deviation of its frame map and one matrix product.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from earmark.errors import ModelCorrupt
from earmark.models._graph import save_model

__all__ = ["cut_wespeaker", "wespeaker_head", "write_head"]

_FRAME_MAP = "onnx::ReduceMean_343"  # the last ReLU, [B, 256, 10, ceil(T / 8)]
_CHANNELS = 2560
_EPS = "onnx::Add_358"  # added to the variance in front of the square root


def cut_wespeaker(source: Path, output: Path) -> None:
    """Write the part of WeSpeaker's ResNet34 from ``feats`` [B, T, 80] to ``frames``.

    The frame map is [B, 2560, ceil(T / 8)]: 256 channels times 10 bands, in that order.
    Raises ModelCorrupt when ``source`` is another network.
    """
    model = _load(source)
    graph = model.graph
    needed, nodes = {_FRAME_MAP}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    constants = [c for c in graph.initializer if c.name in needed]
    constants.append(numpy_helper.from_array(np.array([0, _CHANNELS, -1]), "frames_shape"))
    nodes.reverse()
    nodes.append(helper.make_node("Reshape", [_FRAME_MAP, "frames_shape"], ["frames"]))
    frames = helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["B", _CHANNELS, "F"])
    trunk = helper.make_graph(nodes, graph.name, graph.input, [frames], constants)
    save_model(
        helper.make_model(trunk, opset_imports=model.opset_import, ir_version=model.ir_version),
        output,
    )


def wespeaker_head(source: Path) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Weight [256, 5120], bias [256] and variance epsilon behind statistics pooling.

    Raises ModelCorrupt when ``source`` is another network.
    """
    graph = _load(source).graph
    stored = {c.name: c for c in graph.initializer}
    (eps,) = (n.attribute[0].t for n in graph.node if n.output[0] == _EPS)
    weight, bias, mean = (
        numpy_helper.to_array(stored[name])
        for name in ("model.seg_1.weight", "model.seg_1.bias", "mean_vec")
    )
    return weight, bias - mean, float(numpy_helper.to_array(eps))


def write_head(
    path: Path, weight: NDArray[np.float32], bias: NDArray[np.float32], eps: float
) -> None:
    """Write ``W`` [emb, 2C], ``b`` [emb] and ``eps``, all float32, as an npz.

    An embedding is ``W @ concat(mean, sqrt(variance + eps)) + b`` with the unbiased variance. The
    file is the same on every machine (``numpy.savez`` does not promise that).
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, value in (("W", weight), ("b", bias), ("eps", np.float32(eps))):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(value, "<f4"), version=(1, 0))
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            member.create_system = 3
            archive.writestr(member, content.getvalue())


def _load(source: Path) -> onnx.ModelProto:
    model = onnx.load_model_from_string(source.read_bytes())
    if not any(_FRAME_MAP in node.output for node in model.graph.node):
        raise ModelCorrupt(f"{source.name} is not the WeSpeaker ResNet34; pull the model again.")
    return model

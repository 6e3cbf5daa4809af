"""The segmentation network in two parts, so that overlapping windows share their first layer.

The network (pyannote segmentation-3.0, https://arxiv.org/abs/2310.13025) normalises a window of
10 s, filters it with 80 sinc filters, takes magnitudes and the largest of every three, and goes on
with two convolutions and four LSTM layers. Filtering is linear, so it can be done once for all the
windows that overlap: |f| of a window normalised with mean m and deviation s is max(f, -f) of the
shared output after an offset and a scale (`earmark.diarization._segmentation` applies them).

The ``filters`` part is the first layer as a window of mean 0 and deviation 1 meets it: ``samples``
[1, 1, n] to ``high`` [1, 80, t], the largest of every three filter outputs, and ``low``, the
largest of every three negated ones; t = ((n - 251) // 10 + 1) // 3. The ``body`` part goes from
``magnitudes`` [B, 80, t] to ``logits`` [B, t', 7], log probabilities.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper

from earmark.errors import ModelCorrupt
from earmark.models._graph import Graph, save_model

__all__ = ["cut_body", "cut_filters"]

_FILTERS = "/sincnet/conv1d.0/Concat_2_output_0"  # [80, 1, 251]
_MAGNITUDES = "/sincnet/pool1d.0/MaxPool_output_0"
_STRIDE, _POOL = 10, 3


def cut_filters(source: Path, output: Path) -> None:
    """Write the shared first layer. Raises ModelCorrupt when ``source`` is another network."""
    stored = {t.name: numpy_helper.to_array(t) for t in _load(source).graph.initializer}
    gain = float(stored["sincnet.wav_norm1d.weight"][0])
    offset = float(stored["sincnet.wav_norm1d.bias"][0])
    filters = stored[_FILTERS]
    graph = Graph()
    weight = graph.constant("filters", filters * filters.dtype.type(gain))
    bias = graph.constant("offsets", filters.sum(axis=(1, 2)) * filters.dtype.type(offset))
    filtered = graph.add(
        "Conv", "samples", weight, bias, kernel_shape=[filters.shape[2]], strides=[_STRIDE]
    )
    graph.add("MaxPool", filtered, name="high", kernel_shape=[_POOL], strides=[_POOL])
    negated = graph.add("Neg", filtered)
    graph.add("MaxPool", negated, name="low", kernel_shape=[_POOL], strides=[_POOL])
    graph.save(
        output,
        inputs={"samples": ["B", 1, "n"]},
        outputs={"high": ["B", len(filters), "t"], "low": ["B", len(filters), "t"]},
    )


def cut_body(source: Path, output: Path) -> None:
    """Write what follows the first layer. Raises ModelCorrupt for another network."""
    model = _load(source)
    graph = model.graph
    needed, nodes = {"logits"}, []
    for node in reversed(graph.node):
        if _MAGNITUDES not in node.output and needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    nodes.reverse()
    for node in nodes:
        for i, name in enumerate(node.input):
            if name == _MAGNITUDES:
                node.input[i] = "magnitudes"
    body = helper.make_graph(
        nodes,
        graph.name,
        [helper.make_tensor_value_info("magnitudes", TensorProto.FLOAT, ["B", 80, "t"])],
        graph.output,
        [t for t in graph.initializer if t.name in needed],
    )
    save_model(
        helper.make_model(body, opset_imports=model.opset_import, ir_version=model.ir_version),
        output,
    )


def _load(source: Path) -> onnx.ModelProto:
    model = onnx.load_model_from_string(source.read_bytes())
    if not any(t.name == _FILTERS for t in model.graph.initializer):
        raise ModelCorrupt(f"{source.name} is not segmentation-3.0; pull the model again.")
    return model

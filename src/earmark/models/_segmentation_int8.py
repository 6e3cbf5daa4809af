"""The body of the segmentation network with its LSTM weights in 8-bit integers.

ONNX Runtime's ``DynamicQuantizeLSTM`` rounds a layer's inputs and states to bytes as they come,
with scales taken over the whole batch. A window's result therefore depends on the windows beside
it: run one window at a time, which costs no speed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from earmark.errors import ModelCorrupt
from earmark.models._graph import Graph

__all__ = ["write_body"]

_BANDS = 80
_CLASSES = 7
_HIDDEN = 128
_POOL = [1, 3]
# Input weight, recurrent weight and bias of each LSTM layer; weight and bias of the linear layers.
_LSTMS = (
    ("onnx::LSTM_784", "onnx::LSTM_785", "onnx::LSTM_783"),
    ("onnx::LSTM_827", "onnx::LSTM_828", "onnx::LSTM_826"),
    ("onnx::LSTM_870", "onnx::LSTM_871", "onnx::LSTM_869"),
    ("onnx::LSTM_913", "onnx::LSTM_914", "onnx::LSTM_912"),
)
_LINEARS = (
    ("onnx::MatMul_915", "linear.0.bias"),
    ("onnx::MatMul_916", "linear.1.bias"),
    ("onnx::MatMul_917", "classifier.bias"),
)


def write_body(source: Path, output: Path) -> None:
    """Write ``magnitudes`` [B, 80, t] to ``logits`` [B, t', 7], log probabilities.

    Raises ModelCorrupt when ``source`` is not segmentation-3.0.
    """
    graph = onnx.load_model_from_string(source.read_bytes()).graph
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    try:
        body = _Body(tensors)
    except KeyError as error:
        raise ModelCorrupt(
            f"{source.name} is not segmentation-3.0 (it has no {error}); pull the model again."
        ) from error
    body.save(
        output,
        inputs={"magnitudes": ["B", _BANDS, "t"]},
        outputs={"logits": ["B", "F", _CLASSES]},
    )


class _Body(Graph):
    """The graph, made from the tensors of the float network."""

    def __init__(self, tensors: dict[str, NDArray[Any]]) -> None:
        super().__init__()
        self.tensors = tensors
        x = self.convolutions("magnitudes")
        for names in _LSTMS:
            x = self.lstm(x, *names)
        x = self.add("Transpose", x, perm=[1, 0, 2])
        for weight, bias in _LINEARS[:-1]:
            x = self.add("LeakyRelu", self.linear(x, weight, bias), alpha=0.01)
        x = self.linear(x, *_LINEARS[-1])
        self.add("LogSoftmax", x, axis=-1, name="logits")

    def convolutions(self, x: str) -> str:
        """[B, 80, t] to [t', B, 60]. In two dimensions ONNX Runtime has faster convolutions."""
        x = self.add("Unsqueeze", x, self.integers(2))
        x = self.normalize(x, 0)
        for layer in (1, 2):
            name = f"sincnet.conv1d.{layer}"
            weight = self.constant(f"{name}.weight", self.tensors[f"{name}.weight"][:, :, None])
            x = self.add("Conv", x, weight, self.stored(f"{name}.bias"))
            x = self.add("MaxPool", x, kernel_shape=_POOL, strides=_POOL)
            x = self.normalize(x, layer)
        x = self.add("Squeeze", x, self.integers(2))
        return self.add("Transpose", x, perm=[2, 0, 1])

    def normalize(self, x: str, layer: int) -> str:
        name = f"sincnet.norm1d.{layer}"
        scale, shift = self.stored(f"{name}.weight"), self.stored(f"{name}.bias")
        x = self.add("InstanceNormalization", x, scale, shift, epsilon=1e-5)
        return self.add("LeakyRelu", x, alpha=0.01)

    def lstm(self, x: str, weight: str, recurrent: str, bias: str) -> str:
        """A layer of both directions: [t, B, in] to [t, B, 256]."""
        none = ""
        weights, scales = [], []
        for name in (weight, recurrent):
            # A scale per direction; the operator takes the weight transposed.
            value = self.tensors[name].astype(np.float64)
            scale = np.abs(value).max(axis=(1, 2)) / 127
            rounded = np.rint(value / scale[:, None, None]).astype(np.int8).transpose(0, 2, 1)
            weights.append(self.constant(f"{name}.rounded", rounded))
            scales.append(self.constant(f"{name}.scale", scale.astype(np.float32)))
            scales.append(self.constant("int8_zeros_2", np.zeros(2, np.int8)))
        x = self.add(
            "DynamicQuantizeLSTM",
            x,
            *weights,
            self.stored(bias),
            *(none, none, none, none),
            *scales,
            domain="com.microsoft",
            direction="bidirectional",
            hidden_size=_HIDDEN,
        )
        x = self.add("Transpose", x, perm=[0, 2, 1, 3])
        return self.add("Reshape", x, self.integers(0, 0, 2 * _HIDDEN))

    def linear(self, x: str, weight: str, bias: str) -> str:
        return self.add("Add", self.add("MatMul", x, self.stored(weight)), self.stored(bias))

    def stored(self, name: str) -> str:
        return self.constant(name, self.tensors[name])

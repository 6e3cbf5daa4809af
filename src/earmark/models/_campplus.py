"""The CAM++ speaker embedding network as an ONNX graph, from its trained tensors.

H. Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware
Masking", Interspeech 2023 (arXiv 2303.00332): a 2-D convolutional front end, a time-delay layer of
stride 2, three densely connected blocks, statistics pooling and a linear layer. The graph computes
the same numbers with fewer operations:

* Batch normalization behind a convolution is folded into it. In front of one, normalization and
  ReLU together are a clamp, ``relu(s*x + b) = s*max(x, -b/s) + b`` (``min`` where s < 0), and s and
  b are folded into the convolution that follows.
* A layer's context (the mean over all frames plus the mean over the frame's segment of 100) is one
  product with a matrix that all layers share, and its mask is computed once per segment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from earmark.models._folding import Convolution, Folded, Tensors, Wide
from earmark.models._graph import Graph

__all__ = ["BLOCKS", "CHANNELS", "add_segments", "head", "write_network", "write_trunk"]

CHANNELS = 512
_SEGMENT = 100
BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers and dilation of each dense block


def write_network(tensors: Tensors, path: Path) -> None:
    """Write the whole network: ``feats`` [B, T, 80] to ``embs`` [B, 192]."""
    graph = Graph()
    frames = _add_trunk(graph, tensors, "frames")
    weight, bias = head(tensors)
    mean = graph.add("ReduceMean", frames, axes=[-1], keepdims=1)
    centered = graph.add("Sub", frames, mean)
    total = graph.add("ReduceSumSquare", centered, axes=[-1], keepdims=0)
    count = graph.add("Cast", graph.add("Shape", frames, start=2), to=TensorProto.FLOAT)
    one = graph.constant("float_1", np.array([1], np.float32))
    degrees = graph.add("Max", graph.add("Sub", count, one), one)  # a single frame deviates by 0
    deviation = graph.add("Sqrt", graph.add("Div", total, degrees))
    flat = graph.add("Flatten", mean)
    pooled = graph.add("Concat", flat, deviation, axis=1)
    graph.add(
        "Gemm",
        pooled,
        graph.constant("head.weight", weight),
        graph.constant("head.bias", bias),
        transB=1,
        name="embs",
    )
    graph.save(path, inputs={"feats": ["B", "T", 80]}, outputs={"embs": ["B", len(bias)]})


def write_trunk(tensors: Tensors, path: Path) -> None:
    """Write what is in front of the pooling: ``feats`` to ``frames`` [B, 512, ceil(T / 2)]."""
    graph = Graph()
    _add_trunk(graph, tensors, "frames")
    graph.save(path, inputs={"feats": ["B", "T", 80]}, outputs={"frames": ["B", CHANNELS, "F"]})


def head(tensors: Tensors) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The linear layer behind statistics pooling: weight [192, 1024] and bias [192].

    Its batch normalization is folded in. No ReLU follows it.
    """
    linear = Folded(tensors).convolution(
        "xvector.dense.linear", "xvector.dense.nonlinear.batchnorm"
    )
    return linear.weight[:, :, 0].astype(np.float32), linear.bias.astype(np.float32)


def _add_trunk(graph: Graph, tensors: Tensors, output: str) -> str:
    """Append everything in front of statistics pooling: [B, T, 80] to [B, 512, ceil(T / 2)]."""
    net = _Network(graph, tensors)
    x = net.front_end("feats")
    x = net.convolve(
        x, "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm", strides=[2], pads=[2, 2]
    )
    x = graph.add("Relu", x, name="xvector.tdnn.out")
    segments = net.segments(x)
    for block, (layers, dilation) in enumerate(BLOCKS, start=1):
        for layer in range(1, layers + 1):
            name = f"xvector.block{block}.tdnnd{layer}"
            x = graph.add("Concat", x, net.dense(x, name, dilation, segments), axis=1)
        name = f"xvector.transit{block}"
        last = "xvector.out_nonlinear.batchnorm" if block == len(BLOCKS) else None
        x = net.clamp_convolve(x, f"{name}.nonlinear.batchnorm", f"{name}.linear", last)
    return graph.add("Relu", x, name=output)


def add_segments(graph: Graph, x: str, *, time_axis: int) -> tuple[str, str]:
    """Which of the T frames of ``x`` are in which segment of 100: bool [S, T], and T as a float."""
    zero, one, size = graph.integer(0), graph.integer(1), graph.integer(_SEGMENT)
    frames = graph.add("Gather", graph.add("Shape", x), graph.integer(time_axis))
    of_frame = graph.add("Div", graph.add("Range", zero, frames, one), size)
    before = graph.add("Div", graph.add("Sub", frames, one), size)
    segments = graph.add("Range", zero, graph.add("Add", before, one), one)
    member = graph.add("Equal", graph.add("Unsqueeze", segments, graph.integers(1)), of_frame)
    return member, graph.add("Cast", frames, to=TensorProto.FLOAT)


class _Network:
    """The layers of the network, appended to a graph one at a time."""

    def __init__(self, graph: Graph, tensors: Tensors) -> None:
        self.graph = graph
        self.layers = Folded(tensors)

    def front_end(self, feats: str) -> str:
        """Residual convolutions over frequency and time: [B, T, 80] to [B, 320, T]."""
        g = self.graph
        x = g.add("Transpose", feats, perm=[0, 2, 1])
        x = g.add("Unsqueeze", x, g.integers(1))
        x = self.square(x, "head.conv1", "head.bn1")
        for name, stride in (("1.0", 2), ("1.1", 1), ("2.0", 2), ("2.1", 1)):
            x = self.residual(x, f"head.layer{name}", stride)
        x = self.square(x, "head.conv2", "head.bn2", stride=2)
        return g.add("Reshape", x, g.integers(0, 320, -1))

    def residual(self, x: str, name: str, stride: int) -> str:
        g = self.graph
        y = self.square(x, f"{name}.conv1", f"{name}.bn1", stride=stride)
        y = self.convolve(y, f"{name}.conv2", f"{name}.bn2", pads=[1, 1, 1, 1])
        if stride > 1:
            shortcut = f"{name}.shortcut"
            x = self.convolve(x, f"{shortcut}.0", f"{shortcut}.1", strides=[stride, 1])
        return g.add("Relu", g.add("Add", y, x), name=f"{name}.out")

    def square(self, x: str, name: str, after: str, *, stride: int = 1) -> str:
        """A 3 by 3 convolution, normalized and rectified; ``stride`` is over frequency."""
        y = self.convolve(x, name, after, strides=[stride, 1], pads=[1, 1, 1, 1])
        return self.graph.add("Relu", y, name=f"{name}.relu")

    def segments(self, x: str) -> tuple[str, str]:
        """Two matrices for T frames in S segments: [T, S] and [S, T].

        The first turns frames into the contexts of the segments (each segment's mean plus the mean
        of all frames), the second repeats a value per segment for each of its frames.
        """
        g = self.graph
        member, frames = add_segments(g, x, time_axis=2)
        spread = g.add("Cast", member, to=TensorProto.FLOAT)
        size = g.add("ReduceSum", spread, g.integers(1), keepdims=1)
        pool = g.add("Add", g.add("Div", spread, size), g.add("Reciprocal", frames))
        return g.add("Transpose", pool, perm=[1, 0]), spread

    def dense(self, x: str, name: str, dilation: int, segments: tuple[str, str]) -> str:
        """The 32 channels a layer adds: a time-delay layer masked by its context."""
        g = self.graph
        x = self.clamp_convolve(
            x, f"{name}.nonlinear1.batchnorm", f"{name}.linear1", f"{name}.nonlinear2.batchnorm"
        )
        x = g.add("Relu", x, name=f"{name}.hidden")
        pool, spread = segments
        cam = f"{name}.cam_layer"
        mask = g.add("MatMul", x, pool)
        mask = g.add("Relu", self.convolve(mask, f"{cam}.linear1"))
        mask = g.add("Sigmoid", self.convolve(mask, f"{cam}.linear2"))
        y = self.convolve(x, f"{cam}.linear_local", dilations=[dilation], pads=[dilation, dilation])
        return g.add("Mul", y, g.add("MatMul", mask, spread), name=f"{name}.out")

    def clamp_convolve(self, x: str, before: str, name: str, after: str | None) -> str:
        """Normalization, ReLU, a convolution of width 1 and the normalization ``after`` it."""
        clamp, convolution = self.layers.clamped(before, name, after)
        for op, limit in (("Max", clamp.low), ("Min", clamp.high)):
            if np.isfinite(limit).any():
                x = self.graph.add(op, x, self.constant(f"{before}.{op}", limit[:, None]))
        return self.append(x, name, convolution)

    def convolve(self, x: str, name: str, after: str | None = None, **attributes: Any) -> str:
        """A convolution over time, or over frequency and time, and the normalization after it."""
        return self.append(x, name, self.layers.convolution(name, after), **attributes)

    def append(self, x: str, name: str, convolution: Convolution, **attributes: Any) -> str:
        weight = self.constant(f"{name}.weight", convolution.weight)
        bias = self.constant(f"{name}.bias", convolution.bias)
        return self.graph.add("Conv", x, weight, bias, name=f"{name}.out", **attributes)

    def constant(self, name: str, value: Wide) -> str:
        return self.graph.constant(name, value.astype(np.float32))

"""The trunk of CAM++ in 8-bit integers.

The structure is that of ``_campplus``. The feature map that the dense layers extend is kept as
uint8 with a scale and an offset per channel, so that the clamp in front of each layer is a maximum
of bytes, and the growing map is copied at a byte per value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from onnx import TensorProto

from earmark.models._campplus import BLOCKS, CHANNELS, add_segments
from earmark.models._folding import Convolution, Folded, Tensors, Wide
from earmark.models._int8 import Activation, IntegerGraph, Range

__all__ = ["CALIBRATED", "write_trunk"]

_STAGES = (("head.layer1.0", 2), ("head.layer1.1", 1), ("head.layer2.0", 2), ("head.layer2.1", 1))
_LAYERS = [
    [f"xvector.block{block}.tdnnd{layer}" for layer in range(1, layers + 1)]
    for block, (layers, _) in enumerate(BLOCKS, start=1)
]
_GROWTH = 32
# The range of one channel comes from few values: other voices and rooms pass it.
_WIDEN = 1.7
# A channel's bytes begin at the lowest clamp behind it, but keep this much of its range.
_LEAST_SPAN = 0.25


def _calibrated() -> dict[str, str]:
    kinds = {"feats": "tensor", "head.conv1.relu": "tensor", "head.conv2.relu": "tensor"}
    for name, stride in _STAGES:
        kinds |= {f"{name}.conv1.relu": "tensor", f"{name}.conv2.out": "tensor"}
        kinds |= {f"{name}.out": "mean"}
        if stride > 1:
            kinds |= {f"{name}.shortcut.0.out": "tensor"}
    kinds |= {"xvector.tdnn.out": "channel"}
    for names in _LAYERS:
        for name in names:
            kinds |= {f"{name}.hidden": "tensor", f"{name}.out": "channel"}
            kinds |= {f"{name}.cam_layer.linear_local.out": "channel"}
    for block in range(1, len(_LAYERS)):
        kinds |= {f"xvector.transit{block}.linear.out": "channel"}
    return kinds


# What calibration measures in the float trunk, by tensor: the range of the whole "tensor", that of
# each "channel", or that of the whole tensor and the "mean" of each channel.
CALIBRATED: Mapping[str, str] = _calibrated()


def write_trunk(tensors: Tensors, ranges: Mapping[str, Range], path: Path) -> None:
    """Write the integer trunk: ``feats`` [B, T, 80] to ``frames`` [B, 512, ceil(T / 2)]."""
    graph = IntegerGraph()
    net = _Network(graph, Folded(tensors), ranges)
    x = net.time_delay(net.front_end("feats"))
    segments = _Segments(graph, x.name)
    last = len(_LAYERS)
    for block in range(1, last):
        x = net.dense_block(x, block, segments)
        x = net.transit(x, block)
    net.output(net.dense_block(x, last, segments), last, "frames")
    graph.save(path, inputs={"feats": ["B", "T", 80]}, outputs={"frames": ["B", CHANNELS, "F"]})


class _Segments:
    """Matrices between T frames and S segments of 100, shared by all layers.

    ``member`` [S, T] sums bytes of frames into segments, ``context`` [S, S] turns sums into the
    segment's mean plus the mean of all frames, ``spread`` [T, S] repeats a segment for its frames.
    """

    def __init__(self, graph: IntegerGraph, x: str) -> None:
        member, frames = add_segments(graph, x, time_axis=1)
        spread = graph.add("Cast", member, to=TensorProto.FLOAT)
        count = graph.add("MatMul", spread, graph.add("Transpose", spread, perm=[1, 0]))
        one = graph.real("float_1", 1.0)
        own = graph.add("Div", count, graph.add("Max", graph.add("Mul", count, count), one))
        self.context = graph.add("Add", own, graph.add("Reciprocal", frames))
        self.member = graph.add("Cast", member, to=TensorProto.UINT8)
        self.spread = graph.add("Transpose", spread, perm=[1, 0])


class _Network:
    """The layers of the network, appended to a graph one at a time."""

    def __init__(self, graph: IntegerGraph, layers: Folded, ranges: Mapping[str, Range]) -> None:
        self.graph = graph
        self.layers = layers
        self.ranges = ranges

    def front_end(self, feats: str) -> Activation:
        """Residual convolutions over time and bands: [B, T, 80] to [B, T, 10, 32]."""
        g = self.graph
        x = g.quantize(feats, float(self.ranges[feats].magnitude))
        layer = self.image_convolution("head.conv1", "head.bn1")
        x = g.first_rectified(x, "head.conv1", layer, self.ranges["head.conv1.relu"].high)
        mean = self.layers.rectified_mean("head.bn1")
        for name, stride in _STAGES:
            x = self.residual(x, name, stride, mean)
            mean = self.mean(f"{name}.out")
        return self.square(x, "head.conv2", "head.bn2", mean=mean, strides=[1, 2])

    def residual(self, x: Activation, name: str, stride: int, mean: Wide) -> Activation:
        """Two convolutions beside a shortcut; ``mean`` is of ``x``, per channel."""
        g = self.graph
        y = self.square(x, f"{name}.conv1", f"{name}.bn1", mean=mean, strides=[1, stride])
        layer = self.image_convolution(f"{name}.conv2", f"{name}.bn2")
        magnitude = self.ranges[f"{name}.conv2.out"].magnitude
        hidden = self.layers.rectified_mean(f"{name}.bn1")
        y = g.signed(y, f"{name}.conv2", layer, magnitude, mean=hidden, pads=[1, 1, 1, 1])
        if stride > 1:
            shortcut = f"{name}.shortcut.0"
            layer = self.image_convolution(shortcut, f"{name}.shortcut.1")
            magnitude = self.ranges[f"{shortcut}.out"].magnitude
            x = g.signed(x, shortcut, layer, magnitude, mean=mean, strides=[1, stride])
        return g.add_rectified(y, x, f"{name}.out", float(self.ranges[f"{name}.out"].high))

    def square(
        self, x: Activation, name: str, after: str, *, mean: float | Wide, **strides: list[int]
    ) -> Activation:
        """A 3 by 3 convolution, normalized and rectified."""
        layer = self.image_convolution(name, after)
        high = self.ranges[f"{name}.relu"].high
        return self.graph.rectified(x, name, layer, high, mean=mean, pads=[1, 1, 1, 1], **strides)

    def time_delay(self, x: Activation) -> Activation:
        """[B, T, 10, 32] to [B, ceil(T / 2), 128]."""
        g = self.graph
        name, after = "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm"
        layer = self.layers.convolution(name, after)
        # The weight's 320 inputs are 32 channels of 10 bands each; here bands come first.
        weight = layer.weight.reshape(-1, 32, 10, 5).transpose(0, 2, 1, 3).reshape(-1, 320, 5)
        layer = Convolution(weight=weight, bias=layer.bias)
        flat = g.add("Reshape", x.name, g.integers(0, 0, 320))
        x = Activation(name=flat, scale=x.scale)
        high = self.ranges["xvector.tdnn.out"].high
        mean = np.tile(self.layers.rectified_mean("head.bn2"), 10)
        return g.rectified(x, name, layer, high, mean=mean, strides=[2], pads=[2, 2])

    def dense_block(self, x: Activation, block: int, segments: _Segments) -> Activation:
        """Extend the map by 32 channels per layer."""
        _, dilation = BLOCKS[block - 1]
        names = _LAYERS[block - 1]
        clamps = [self.layers.clamp(f"{name}.nonlinear1.batchnorm") for name in names]
        clamps.append(self.layers.clamp(f"xvector.transit{block}.nonlinear.batchnorm"))
        for layer, name in enumerate(names):
            width = len(np.atleast_1d(x.scale))
            later = [clamp.low[width : width + _GROWTH] for clamp in clamps[layer + 1 :]]
            y = self.dense(x, name, dilation, segments, np.min(later, axis=0))
            x = Activation(
                name=self.graph.add("Concat", x.name, y.name, axis=2),
                scale=np.append(np.broadcast_to(x.scale, width), y.scale),
                zero=np.append(np.broadcast_to(x.zero, width), y.zero),
            )
        return x

    def dense(
        self, x: Activation, name: str, dilation: int, segments: _Segments, floor: Wide
    ) -> Activation:
        """The 32 channels a layer adds; what is below ``floor`` does not matter behind it."""
        g = self.graph
        after = f"{name}.nonlinear2.batchnorm"
        x, layer, mean = self.clamp(x, f"{name}.nonlinear1.batchnorm", f"{name}.linear1", after)
        hidden_high = self.ranges[f"{name}.hidden"].high
        x = g.rectified(x, f"{name}.linear1", layer, hidden_high, mean=mean)

        cam = f"{name}.cam_layer"
        local = f"{cam}.linear_local"
        magnitude = self.ranges[f"{local}.out"].widened(_WIDEN).magnitude
        y = g.signed(
            x,
            local,
            self.layers.convolution(local),
            magnitude,
            mean=self.layers.rectified_mean(after),
            dilations=[dilation],
            pads=[dilation, dilation],
        )
        output = _bytes(f"{name}.out", self.ranges[f"{name}.out"].widened(_WIDEN), floor)

        mask = g.add("Cast", g.add("MatMulInteger", segments.member, x.name), to=TensorProto.FLOAT)
        mask = g.add("MatMul", segments.context, mask)
        mask = g.add("Relu", self.linear(mask, f"{cam}.linear1", x.scale))
        mask = g.add("Sigmoid", self.linear(mask, f"{cam}.linear2"))
        # From the bytes of y to those of the output, whose channels have scales of their own.
        mask = g.add("Mul", mask, g.real(f"{cam}.rescale", y.scale / output.scale))
        mask = g.add("MatMul", segments.spread, mask)
        real = g.add("DequantizeLinear", y.name, g.unit(), g.point(y.point))
        real = g.add("Add", g.add("Mul", real, mask), g.real(f"{name}.zero", output.zero))
        g.add("QuantizeLinear", real, g.unit(), g.point(0), name=output.name)
        return output

    def transit(self, x: Activation, block: int) -> Activation:
        """Halve the channels."""
        name = f"xvector.transit{block}"
        x, layer, mean = self.clamp(x, f"{name}.nonlinear.batchnorm", f"{name}.linear", None)
        output = _bytes(f"{name}.linear.out", self.ranges[f"{name}.linear.out"].widened(_WIDEN))
        return self.graph.convolve(x, f"{name}.linear", layer, output, mean=mean)

    def output(self, x: Activation, block: int, name: str) -> str:
        """Halve the channels and give real values, [B, 512, T]."""
        g = self.graph
        transit, after = f"xvector.transit{block}", "xvector.out_nonlinear.batchnorm"
        x, layer, mean = self.clamp(x, f"{transit}.nonlinear.batchnorm", f"{transit}.linear", after)
        real = g.add("Relu", g.matmul(x, f"{transit}.linear", layer, mean=mean))
        return g.add("Transpose", real, perm=[0, 2, 1], name=name)

    def clamp(
        self, x: Activation, before: str, name: str, after: str | None
    ) -> tuple[Activation, Convolution, Wide]:
        """Clamp the bytes of ``x`` for a layer; return them, the layer, and their real mean."""
        clamp, layer = self.layers.clamped(before, name, after)
        lowest, highest = x.scale * (0 - x.zero), x.scale * (255 - x.zero)
        clamped = x.name
        for op, limit, none in (("Max", clamp.low, 0), ("Min", clamp.high, 255)):
            if np.isfinite(limit).any():
                point = np.where(np.isfinite(limit), np.rint(limit / x.scale + x.zero), none)
                limits = self.graph.constant(f"{before}.{op}", point.clip(0, 255).astype(np.uint8))
                clamped = self.graph.add(op, clamped, limits)
        # Where a limit lies beyond the bytes, the channel always has the limit's value.
        beyond = np.maximum(0, np.where(np.isfinite(clamp.low), clamp.low - highest, 0))
        beyond += np.minimum(0, np.where(np.isfinite(clamp.high), clamp.high - lowest, 0))
        total = np.add.accumulate(layer.weight[:, :, 0] * beyond, axis=1)[:, -1]
        layer = Convolution(weight=layer.weight, bias=layer.bias + total)
        mean = np.clip(self.layers.clamped_mean(before), lowest, highest)
        return Activation(name=clamped, scale=x.scale, zero=x.zero), layer, mean

    def linear(self, x: str, name: str, scale: float | Wide = 1.0) -> str:
        """A small layer in floats on inputs that are to be multiplied by ``scale``."""
        layer = self.layers.convolution(name)
        weight = self.graph.real(f"{name}.weight", (layer.weight[:, :, 0] * scale).T)
        bias = self.graph.real(f"{name}.bias", layer.bias)
        return self.graph.add("Add", self.graph.add("MatMul", x, weight), bias)

    def image_convolution(self, name: str, after: str) -> Convolution:
        """The weight is over bands and time; here time comes first."""
        layer = self.layers.convolution(name, after)
        return Convolution(weight=layer.weight.transpose(0, 1, 3, 2), bias=layer.bias)

    def mean(self, tensor: str) -> Wide:
        mean = self.ranges[tensor].mean
        if mean is None:
            raise ValueError(f"the calibration of {tensor} has no means")
        return mean


def _bytes(name: str, span: Range, floor: Wide | None = None) -> Activation:
    """Bytes from the range's low, or from ``floor`` where that is higher, to its high."""
    low, high = span.low, span.high
    if floor is not None:
        low = np.minimum(np.maximum(low, floor), high - _LEAST_SPAN * (high - low))
    scale = np.maximum(high - low, 1e-3) / 255
    return Activation(name=name, scale=scale, zero=-low / scale)

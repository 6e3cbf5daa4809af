"""The trunk of WeSpeaker's ResNet34 in 8-bit integers, channels last."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from earmark.models._folding import Convolution
from earmark.models._int8 import Activation, IntegerGraph, Range

__all__ = ["calibrated", "write_trunk"]

# Sounds that the calibration did not have are a little louder.
_WIDEN = 1.15


def calibrated(trunk: Path) -> dict[str, str]:
    """What calibration measures in the float trunk, as ``_campplus_int8.CALIBRATED`` says it."""
    kinds = {"Conv": "tensor", "Relu": "mean"}
    nodes = onnx.load(trunk).graph.node
    return {"feats": "tensor"} | {
        n.output[0]: kinds[n.op_type] for n in nodes if n.op_type in kinds
    }


def write_trunk(trunk: Path, ranges: Mapping[str, Range], path: Path) -> None:
    """Write the integer form of the float ``trunk``: ``feats`` to ``frames`` [B, 2560, F].

    The trunk is a chain of convolutions, sums and ReLUs on [B, channels, bands, time].
    """
    g = IntegerGraph()
    net = _Network(g, onnx.load(trunk).graph, ranges)
    x = net.run(g.quantize("feats", float(ranges["feats"].magnitude)))
    y = g.add("Transpose", x.name, perm=[0, 3, 2, 1])
    y = g.add("DequantizeLinear", y, g.real("frames.scale", x.scale), g.point(x.point))
    g.add("Reshape", y, g.integers(0, 2560, -1), name="frames")
    g.save(path, inputs={"feats": ["B", "T", 80]}, outputs={"frames": ["B", 2560, "F"]})


class _Network:
    """Follows the float graph and appends each layer to the integer graph."""

    def __init__(
        self, graph: IntegerGraph, source: onnx.GraphProto, ranges: Mapping[str, Range]
    ) -> None:
        self.graph = graph
        self.nodes = source.node
        self.constants = {
            c.name: numpy_helper.to_array(c).astype(np.float64) for c in source.initializer
        }
        # A ReLU is done by the layer in front of it: its output is that layer's.
        self.relus = {n.input[0]: n.output[0] for n in source.node if n.op_type == "Relu"}
        self.ranges = ranges

    def run(self, feats: Activation) -> Activation:
        values: dict[str, Activation] = {}
        x = feats
        for node in self.nodes:
            if node.op_type == "Conv":
                x = self.convolve(values.get(node.input[0], feats), node)
            elif node.op_type == "Add":
                a, b = (values[name] for name in node.input)
                target = self.relus[node.output[0]]
                high = float(self.ranges[target].high) * _WIDEN
                x = self.graph.add_rectified(a, b, target, high)
            else:
                continue
            values[self.relus.get(node.output[0], node.output[0])] = x
        return x

    def convolve(self, x: Activation, node: onnx.NodeProto) -> Activation:
        source, weight, bias = node.input
        # The weight is over bands and time; here time comes first.
        layer = Convolution(
            weight=self.constants[weight].transpose(0, 1, 3, 2), bias=self.constants[bias]
        )
        options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        top, left, bottom, right = options["pads"]
        mean = self.ranges[source].mean if source in self.ranges else None
        geometry = {
            "mean": 0.0 if mean is None else mean,
            "strides": options["strides"][::-1],
            "pads": [left, top, right, bottom],
        }
        output = node.output[0]
        target = self.relus.get(output)
        if target is None:
            magnitude = self.ranges[output].magnitude * _WIDEN
            return self.graph.signed(x, output, layer, magnitude, **geometry)
        high = self.ranges[target].high * _WIDEN
        if layer.weight.shape[1] == 1:
            return self.graph.first_rectified(x, output, layer, high)
        return self.graph.rectified(x, output, layer, high, **geometry)

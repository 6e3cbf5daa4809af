"""Static 8-bit integer networks: activations uint8, weights int8 with a scale per output channel.

Everything is laid out channels last ([B, time, channels] or [B, time, bands, channels]) and written
with ONNX Runtime's own integer operators, so that nothing is left for it to rewrite when a session
starts. Two things go beyond plain rounding (M. Nagel et al., "Data-Free Quantization Through Weight
Equalization and Bias Correction", ICCV 2019, arXiv 1906.04721): an activation may have a scale and
an offset per channel, which are folded into the weights behind it, and the mean of the error that
rounding the weights makes is taken off the bias.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from earmark.models._folding import Convolution, Wide
from earmark.models._graph import Graph

__all__ = ["Activation", "IntegerGraph", "Range", "read_ranges"]

Number: TypeAlias = float | Wide

_CENTER = 128  # stands for zero where values have both signs
_RUNTIME = "com.microsoft"
_SIDE = 4  # bands that make up the channels of a first convolution


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """The least and the greatest value of a tensor in calibration, of each channel or of all.

    ``mean`` is of each channel.
    """

    low: Wide
    high: Wide
    mean: Wide | None = None

    @property
    def magnitude(self) -> Wide:
        return np.maximum(-self.low, self.high)

    def widened(self, factor: float) -> Range:
        """The range with its width times ``factor``, for sounds louder than the calibration's."""
        margin = (self.high - self.low) * (factor - 1) / 2
        return Range(low=self.low - margin, high=self.high + margin, mean=self.mean)


def read_ranges(name: str) -> dict[str, Range]:
    """The committed calibration of a network, by tensor."""
    path = Path(__file__).parent / "ranges" / f"{name}.json"
    content: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return {
        tensor: Range(**{key: np.array(value, np.float64) for key, value in values.items()})
        for tensor, values in content.items()
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Activation:
    """A uint8 tensor that stands for ``scale * (q - zero)``, per channel or all alike.

    ``point`` is what a convolution pads with: it stands for zero where ``zero`` equals it.
    """

    name: str
    scale: Number
    zero: Number = 0.0
    point: int = 0


class IntegerGraph(Graph):
    """A graph with the few integer layers the embedding networks need."""

    def real(self, name: str, value: Number) -> str:
        """A float32 constant."""
        return self.constant(name, np.asarray(value, np.float32))

    def point(self, value: int) -> str:
        """A byte, for an operator's zero point."""
        return self.constant(f"uint8_{value}", np.array(value, np.uint8))

    def unit(self) -> str:
        """The scale 1.0, where scales are in the weights."""
        return self.real("unit", 1.0)

    def quantize(self, x: str, magnitude: float) -> Activation:
        """Round real values between plus and minus ``magnitude``."""
        scale = magnitude / 127
        name = self.add("QuantizeLinear", x, self.real(f"{x}.scale", scale), self.point(_CENTER))
        return Activation(name=name, scale=scale, zero=_CENTER, point=_CENTER)

    def rectified(
        self, x: Activation, name: str, layer: Convolution, high: Number, **options: Any
    ) -> Activation:
        """A convolution and a ReLU whose outputs reach up to ``high``."""
        output = Activation(name=f"{name}.out", scale=np.maximum(high, 1e-3) / 255)
        return self.convolve(x, name, layer, output, **options)

    def first_rectified(
        self, x: Activation, name: str, layer: Convolution, high: Number
    ) -> Activation:
        """A 3 by 3 convolution and a ReLU over [B, T, bands], to [B, T, bands, out].

        ``layer`` has one input channel, for which there is no fast kernel. Four bands side by side
        serve as channels instead: the same sums, written for four outputs at a time.
        """
        outputs = len(layer.weight)
        weight = np.zeros((_SIDE, outputs, _SIDE, 3, 3))
        for to in range(_SIDE):
            for band in range(-1, _SIDE + 1):
                tap = band - to + 1  # of the three that meet at output ``to``
                if 0 <= tap < 3:
                    block, channel = divmod(band, _SIDE)
                    weight[to, :, channel, :, block + 1] = layer.weight[:, 0, :, tap]
        wide = Convolution(
            weight=weight.reshape(_SIDE * outputs, _SIDE, 3, 3), bias=np.tile(layer.bias, _SIDE)
        )
        blocks = self.add("Reshape", x.name, self.integers(0, 0, -1, _SIDE))
        image = Activation(name=blocks, scale=x.scale, zero=x.zero, point=x.point)
        y = self.rectified(image, name, wide, high, pads=[1, 1, 1, 1])
        bands = self.add("Reshape", y.name, self.integers(0, 0, -1, outputs))
        return Activation(name=bands, scale=y.scale)

    def signed(
        self, x: Activation, name: str, layer: Convolution, magnitude: Number, **options: Any
    ) -> Activation:
        """A convolution whose outputs lie between plus and minus ``magnitude``."""
        scale = np.maximum(magnitude, 1e-3) / 127
        output = Activation(name=f"{name}.out", scale=scale, zero=_CENTER, point=_CENTER)
        return self.convolve(x, name, layer, output, **options)

    def convolve(
        self,
        x: Activation,
        name: str,
        layer: Convolution,
        output: Activation,
        *,
        mean: Number = 0.0,
        **attributes: Any,
    ) -> Activation:
        """Append a convolution that writes ``output``.

        ``mean`` is the real mean of ``x`` per channel, as far as it is known: the bias takes off
        the mean error of the rounded weights there.
        """
        if "pads" in attributes and np.any(np.asarray(x.zero) != x.point):
            raise ValueError(f"{name} pads an activation that has no value for zero")
        weight, scale, bias = self.round_weight(x, layer, mean)
        bias = bias + (np.asarray(output.zero) - output.point) * output.scale
        self.add(
            "QLinearConv",
            x.name,
            self.unit(),  # the input's scale is in the weights
            self.point(x.point),
            self.constant(f"{name}.weight", weight),
            self.real(f"{name}.scale", scale / output.scale),
            self.constant(f"int8_zeros_{len(weight)}", np.zeros(len(weight), np.int8)),
            self.unit(),
            self.point(output.point),
            self.constant(f"{name}.bias", np.rint(bias / scale).astype(np.int32)),
            domain=_RUNTIME,
            name=output.name,
            channels_last=1,
            **attributes,
        )
        return output

    def matmul(self, x: Activation, name: str, layer: Convolution, *, mean: Number = 0.0) -> str:
        """A convolution of width 1 whose outputs are real: returns float32 [..., out]."""
        weight, scale, bias = self.round_weight(x, layer, mean)
        return self.add(
            "MatMulIntegerToFloat",
            x.name,
            self.constant(f"{name}.weight", np.ascontiguousarray(weight[:, :, 0].T)),
            self.unit(),
            self.real(f"{name}.scale", scale),
            self.point(x.point),
            self.constant(f"int8_zeros_{len(weight)}", np.zeros(len(weight), np.int8)),
            self.real(f"{name}.bias", bias),
            domain=_RUNTIME,
        )

    def add_rectified(self, a: Activation, b: Activation, name: str, high: float) -> Activation:
        """The sum of two activations with one scale each, and a ReLU."""
        output = Activation(name=name, scale=high / 255)
        self.add(
            "QLinearAdd",
            *(
                part
                for term in (a, b)
                for part in (
                    term.name,
                    self.real(f"{name}.{term.name}.scale", term.scale),
                    self.point(term.point),
                )
            ),
            self.real(f"{name}.scale", output.scale),
            self.point(0),
            domain=_RUNTIME,
            name=name,
        )
        return output

    def round_weight(
        self, x: Activation, layer: Convolution, mean: Number
    ) -> tuple[NDArray[np.int8], Wide, Wide]:
        """The integer weight for ``x``, its scale [out], and the real bias [out] that goes with it.

        A layer's sum is then ``scale * (weight @ (q - point)) + bias``.
        """
        scales = _along(1, x.scale, layer.weight)
        exact = layer.weight * scales
        step = _largest_pair(exact) / 127
        # A channel of next to no weight must not make its bias too large for an integer.
        step = np.maximum(step, np.maximum(np.abs(layer.bias), 1e-9) * 2.0**-23)
        weight = np.rint(exact / _along(0, step, exact))
        rounded = weight * _along(0, step, exact)
        offset = np.subtract(x.zero, x.point)
        bias = layer.bias - _total(rounded * _along(1, offset, exact))
        bias += _total((exact - rounded) * (_along(1, mean, exact) / scales))
        return weight.astype(np.int8), step, bias


def _largest_pair(weight: Wide) -> Wide:
    """The largest sum of two weights of one sign that meet neighboring inputs, by output.

    Processors without VNNI instructions add the products of two neighboring inputs in 16 bits. With
    pairs of at most 127 steps no sum of bytes passes those, and all processors agree to the bit.
    """
    rows = np.moveaxis(weight, 1, -1).reshape(len(weight), -1)  # as the products are added up
    pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
    positive, negative = (np.maximum(sign * pairs, 0).sum(axis=2).max(axis=1) for sign in (1, -1))
    return np.asarray(np.maximum(positive, negative))


def _along(axis: int, value: Number, like: Wide) -> Wide:
    """``value``, one number or one per index of ``axis``, shaped to broadcast against ``like``."""
    shape = [1] * like.ndim
    shape[axis] = -1
    return np.reshape(value, shape)


def _total(terms: Wide) -> Wide:
    """Sums over all axes but the first, from left to right: the same on every machine."""
    return np.add.accumulate(terms.reshape(len(terms), -1), axis=1)[:, -1]

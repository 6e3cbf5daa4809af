"""Batch normalization folded into the convolutions around it, in float64.

All sums run from left to right, so that the results are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import erf, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Clamp", "Convolution", "Folded", "Tensors", "Wide"]

Tensors = Mapping[str, NDArray[Any]]
Wide = NDArray[np.float64]

_EPS = 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class Convolution:
    """``weight`` [out, in, ...] and ``bias`` [out]."""

    weight: Wide
    bias: Wide


@dataclass(frozen=True, kw_only=True, slots=True)
class Clamp:
    """Limits per channel; infinite where there is none."""

    low: Wide
    high: Wide


class Folded:
    """The layers of a network whose tensors are named as torch names them."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors

    def normalization(self, name: str) -> tuple[Wide, Wide]:
        """Scale and shift of a batch normalization in inference."""
        variance = self._tensors[f"{name}.running_var"].astype(np.float64)
        mean = self._tensors[f"{name}.running_mean"].astype(np.float64)
        scale = self._tensors.get(f"{name}.weight", np.ones(len(mean))) / np.sqrt(variance + _EPS)
        shift = self._tensors.get(f"{name}.bias", np.zeros(len(mean))) - mean * scale
        return scale, shift

    def rectified_mean(self, name: str) -> Wide:
        """The mean behind the ReLU of a normalization, whose output in training was Gaussian."""
        scale = np.abs(self._tensors[f"{name}.weight"].astype(np.float64)) + 1e-12
        mean = self._tensors[f"{name}.bias"].astype(np.float64)
        ratio = mean / scale
        above = np.array([0.5 + 0.5 * erf(r / sqrt(2)) for r in ratio])
        mean = mean * above + scale * np.exp(-0.5 * ratio**2) / sqrt(2 * pi)
        return np.asarray(mean, np.float64)

    def clamped_mean(self, before: str) -> Wide:
        """The mean behind the clamp that ``before`` makes; 0 in channels that it makes constant."""
        scale, shift = self.normalization(before)
        mean = self.rectified_mean(before) - shift
        return np.divide(mean, scale, out=np.zeros_like(mean), where=scale != 0)

    def clamp(self, before: str) -> Clamp:
        """Normalization and ReLU as a clamp: ``relu(s*x + b)`` is ``s*clamp(x) + b``.

        The limit is ``-b/s``, below where s > 0 and above where s < 0.
        """
        scale, shift = self.normalization(before)
        with np.errstate(divide="ignore", invalid="ignore"):
            knee = -shift / scale
        return Clamp(low=np.where(scale > 0, knee, -np.inf), high=np.where(scale < 0, knee, np.inf))

    def convolution(self, name: str, after: str | None = None) -> Convolution:
        """A convolution and the normalization ``after`` it."""
        weight = self._tensors[f"{name}.weight"].astype(np.float64)
        bias = self._tensors.get(f"{name}.bias", np.zeros(len(weight))).astype(np.float64)
        return self._normalized(weight, bias, after)

    def clamped(self, before: str, name: str, after: str | None) -> tuple[Clamp, Convolution]:
        """Normalization and ReLU ``before`` a convolution of width 1, a normalization after it.

        The clamp's scale and shift are in the convolution.
        """
        scale, shift = self.normalization(before)
        weight = self._tensors[f"{name}.weight"].astype(np.float64)[:, :, 0]
        shift = np.where(scale == 0, np.maximum(shift, 0.0), shift)
        bias = np.add.accumulate(weight * shift, axis=1)[:, -1]
        layer = self._normalized((weight * scale)[:, :, None], bias, after)
        return self.clamp(before), layer

    def _normalized(self, weight: Wide, bias: Wide, after: str | None) -> Convolution:
        if after is not None:
            scale, shift = self.normalization(after)
            weight = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
            bias = bias * scale + shift
        return Convolution(weight=weight, bias=bias)

"""Sample formats to float32: exact scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from earmark.audio._samples import to_float


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.uint8, [0, 128, 255], [-1.0, 0.0, 127 / 128]),
        (np.int16, [-32768, 0, 1, 32767], [-1.0, 0.0, 2**-15, 32767 / 32768]),
        (np.int32, [-(2**31), 0, 2**8, 2**30], [-1.0, 0.0, 2**-23, 0.5]),
        (np.int64, [-(2**63), 0, 2**62], [-1.0, 0.0, 0.5]),
        (np.float32, [-1.5, 0.25], [-1.5, 0.25]),
        (np.float64, [0.1, -0.25], [np.float32(0.1), -0.25]),
    ],
)
def test_integers_are_scaled_and_floats_kept(
    dtype: type[Any], values: list[float], expected: list[float]
) -> None:
    out = np.empty((1, len(values)), np.float32)
    to_float(np.array([values], dtype), out)
    assert out[0].tolist() == [float(value) for value in expected]


def test_float64_beyond_float32_becomes_infinite_without_a_warning() -> None:
    out = np.empty((1, 2), np.float32)
    to_float(np.array([[1e300, np.nan]]), out)
    assert not np.isfinite(out).any()

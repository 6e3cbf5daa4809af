"""Sample formats: from FFmpeg's frames to float32 in [-1, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import AudioFrame

__all__ = ["samples_of", "to_float"]

_TYPES: Final[dict[str, type[np.generic]]] = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}

_PLANES_SAFE: Final = 8
"""From this many planes on, PyAV looks for the end of a list that has none."""


def samples_of(frame: AudioFrame) -> NDArray[Any]:
    """The frame's samples, [channels, n], in FFmpeg's sample type."""
    channels, count = frame.layout.nb_channels, frame.samples
    if frame.format.is_planar and channels >= _PLANES_SAFE:
        frame = _interleaved(frame)
    dtype = _TYPES[frame.format.packed.name]
    planes = [memoryview(plane) for plane in frame.planes[:channels]]
    if not frame.format.is_planar:
        packed = np.frombuffer(planes[0], dtype, count * channels)
        return packed.reshape(count, channels).T
    if channels == 1:
        return np.frombuffer(planes[0], dtype, count)[None]
    return np.stack([np.frombuffer(plane, dtype, count) for plane in planes])


def to_float(samples: NDArray[Any], out: NDArray[np.float32]) -> None:
    """Scale integers to [-1, 1) exactly and copy floats, into ``out`` of the same shape."""
    kind, bits = samples.dtype.kind, 8 * samples.dtype.itemsize
    if kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            out[...] = samples
    elif kind == "u":
        np.multiply(samples, np.float32(2.0**-7), out=out)
        out -= 1.0
    elif bits == 16:
        np.multiply(samples, np.float32(2.0**-15), out=out)
    else:
        np.multiply(samples, 2.0 ** (1 - bits), out=out, casting="same_kind")


def _interleaved(frame: AudioFrame) -> AudioFrame:
    from av import AudioResampler

    packer = AudioResampler(frame.format.packed.name, frame.layout, frame.sample_rate)
    frame.pts = None
    return packer.resample(frame)[0]

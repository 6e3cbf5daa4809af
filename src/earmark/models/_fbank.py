"""Log mel filter bank energies as Kaldi computes them, vectorized.

The definition is Kaldi's ``compute-fbank-feats`` (https://kaldi-asr.org/doc/feat.html): frames of
25 ms every 10 ms with no padding, mean removed, pre-emphasis 0.97, "povey" window, power spectrum
of 512 points, 80 triangular bands on the mel scale from 20 Hz to 8 kHz, no dither.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import rfft

__all__ = ["FRAME", "HOP", "MELS", "fbank"]

FRAME = 400  # samples
HOP = 160
MELS = 80
_RATE = 16000
_FFT = 512
_PREEMPHASIS = np.float32(0.97)
_FLOOR = np.finfo(np.float32).eps
_BLOCK = 256  # frames at a time: what they need fits a core's cache
# OpenBLAS multiplies on the calling thread when a product has at most 2**18 multiplications, so the
# mel product is cut that small: callers run one fbank per thread and no further threads help.
_ROWS = 64
_BANDS = 20

Samples = NDArray[np.float32]


def fbank(samples: Samples, scale: float) -> Samples:
    """Return log mel energies [frames, 80] of ``samples`` [n] at 16 kHz times ``scale``.

    There are ``1 + (n - 400) // 160`` frames, none for fewer than 400 samples. Memory beside the
    result is constant. The mean over time is not subtracted.
    """
    count = max(0, 1 + (len(samples) - FRAME) // HOP)
    energies = np.empty((count, MELS), np.float32)
    frames = np.zeros((_BLOCK, _FFT), np.float32)
    for start in range(0, count, _BLOCK):
        used = min(_BLOCK, count - start)
        span = samples[start * HOP : (start + used - 1) * HOP + FRAME]
        _cut_frames(span, frames[:used])
        spectrum = rfft(frames, axis=1, overwrite_x=False)
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        energies[start : start + used] = _to_mel(power)[:used]
    energies *= np.float32(scale * scale)
    np.maximum(energies, _FLOOR, out=energies)
    return np.log(energies, out=energies)


def _cut_frames(span: Samples, frames: Samples) -> None:
    """Fill ``frames`` [f, 512] with the windowed frames of ``span``.

    Pre-emphasis is linear, so it is applied to the span once, and removing a frame's mean in front
    of it is removing 0.03 times that mean behind it. A frame's first sample, where pre-emphasis
    would be an exception, has weight zero in the window and is left out.
    """
    step = HOP // 2  # the greatest common divisor of hop and frame
    sums = span[: len(span) // step * step].reshape(-1, step).sum(axis=1)
    means = sliding_window_view(sums, FRAME // step)[:: HOP // step].sum(axis=1) / np.float32(FRAME)
    emphasized = span[1:] - _PREEMPHASIS * span[:-1]
    target = frames[:, : FRAME - 1]
    cut = sliding_window_view(emphasized, FRAME - 1)[::HOP]
    np.subtract(cut, (means * (np.float32(1) - _PREEMPHASIS))[:, None], out=target)
    target *= _window()


def _to_mel(power: Samples) -> Samples:
    """Band energies [block, 80] of power spectra [block, 257], a few bands at a time."""
    stacked = power.reshape(-1, _ROWS, power.shape[1])
    bands = [stacked[..., low:high] @ weights for low, high, weights in _filters()]
    return np.concatenate(bands, axis=-1).reshape(len(power), MELS)


@cache
def _window() -> Samples:
    """The povey window without its first sample, which is zero."""
    phase = 2 * np.pi / (FRAME - 1) * np.arange(1, FRAME)
    return np.asarray((0.5 - 0.5 * np.cos(phase)) ** 0.85, np.float32)


@cache
def _filters() -> tuple[tuple[int, int, Samples], ...]:
    """For every 20 bands: the first FFT bin, the one behind the last, and the weights."""
    lowest, highest = _mel(np.array([20.0, _RATE / 2])).tolist()
    edges = np.linspace(lowest, highest, MELS + 2)
    low, center, high = edges[:-2], edges[1:-1], edges[2:]
    bins = _mel(np.arange(_FFT // 2) * _RATE / _FFT)[:, None]
    weights = np.minimum((bins - low) / (center - low), (high - bins) / (high - center))
    weights = np.maximum(weights, 0.0).astype(np.float32)
    groups = []
    for band in range(0, MELS, _BANDS):
        group = weights[:, band : band + _BANDS]
        used = np.flatnonzero(group.any(axis=1))
        first, last = int(used[0]), int(used[-1]) + 1
        groups.append((first, last, np.ascontiguousarray(group[first:last])))
    return tuple(groups)


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log(1.0 + hertz / 700.0))

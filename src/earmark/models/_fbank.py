"""Log mel filter bank energies as Kaldi computes them, as a graph for ONNX Runtime.

The definition is Kaldi's ``compute-fbank-feats`` (https://kaldi-asr.org/doc/feat.html): frames of
25 ms every 10 ms with no padding, mean removed, pre-emphasis 0.97, "povey" window, power spectrum
of 512 points, 80 triangular bands on the mel scale from 20 Hz to 8 kHz, no dither. All of that up
to the power spectrum is linear in the samples, so it is one convolution with 510 filters.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.models._graph import Graph

__all__ = ["write_fbank"]

_RATE = 16000
_FRAME = 400  # samples
_HOP = 160
_MELS = 80
_FFT = 512
_PREEMPHASIS = 0.97

Double = NDArray[np.float64]


def write_fbank(output: Path) -> None:
    """Write the graph: ``samples`` [1, 1, n] at 16 kHz to ``energies`` [1, 80, frames].

    There are ``1 + (n - 400) // 160`` frames; n is 400 or more. The mean over time is not removed.
    """
    graph = Graph()
    spectrum = graph.add(
        "Conv",
        "samples",
        graph.constant("filters", _filters().astype(np.float32)[:, None]),
        kernel_shape=[_FRAME],
        strides=[_HOP],
    )
    power = graph.add("Mul", spectrum, spectrum)
    bands = graph.add("Conv", power, graph.constant("bands", _bands()), kernel_shape=[1])
    floor = graph.constant("floor", np.array(np.finfo(np.float32).eps, np.float32))
    graph.add("Log", graph.add("Max", bands, floor), name="energies")
    graph.save(output, inputs={"samples": [1, 1, "n"]}, outputs={"energies": [1, _MELS, "t"]})


def _filters() -> Double:
    """Real and imaginary parts of FFT bins 1 to 255, of a frame as it is: [510, 400].

    Bins 0 and 256 lie in no band.
    """
    sample = np.arange(_FRAME)
    window = (0.5 - 0.5 * np.cos(2 * np.pi / (_FRAME - 1) * sample)) ** 0.85
    emphasis = np.eye(_FRAME) - _PREEMPHASIS * np.eye(_FRAME, k=-1)
    emphasis[0, 0] = 1 - _PREEMPHASIS
    phase = 2 * np.pi / _FFT * np.arange(1, _FFT // 2)[:, None] * sample
    waves = np.concatenate([np.cos(phase), np.sin(phase)])
    filters = (waves * window) @ emphasis
    return np.asarray(filters - filters.mean(axis=1, keepdims=True))  # removes a frame's mean


def _bands() -> NDArray[np.float32]:
    """Weights [80, 510, 1] of the squared filter outputs."""
    lowest, highest = _mel(np.array([20.0, _RATE / 2])).tolist()
    edges = np.linspace(lowest, highest, _MELS + 2)[:, None]
    low, center, high = edges[:-2], edges[1:-1], edges[2:]
    bins = _mel(np.arange(1, _FFT // 2) * _RATE / _FFT)
    weights = np.minimum((bins - low) / (center - low), (high - bins) / (high - center))
    return np.tile(np.maximum(weights, 0.0), 2).astype(np.float32)[..., None]


def _mel(hertz: Double) -> Double:
    return np.asarray(1127.0 * np.log(1.0 + hertz / 700.0))

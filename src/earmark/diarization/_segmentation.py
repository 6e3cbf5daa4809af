"""Who speaks in each window of 10 s: the segmentation network over a stretch of samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._grid import WINDOW_SAMPLES, frames_in
from earmark.models import ModelStore, Provider, load_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["CLASS_SPEAKERS", "LOCAL_SPEAKERS", "Segmenter"]

Float = NDArray[np.float32]

LOCAL_SPEAKERS = 3
#: Which of a window's speakers are active in each powerset class: none, A, B, C, AB, AC, BC.
CLASS_SPEAKERS = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.float32
)

_HOP = 30  # samples per step of the filters' output
_REACH = 251 - 10  # samples that such a step takes in, beyond the ten of its own stride
_VARIANCE_FLOOR = 1e-5  # of the network's normalisation


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Segmenter:
    """The network in its two parts, with what the filters answer to constants.

    ``offset`` [80, 1] is their output for silence, ``gain`` [80, 1] what a waveform of constant 1
    adds to it.
    """

    filters: InferenceSession
    body: InferenceSession
    offset: Float
    gain: Float

    @staticmethod
    def names(provider: Provider) -> tuple[str, str]:
        """The models of the two parts; the one with integer LSTMs is for CPUs."""
        body = "segmentation-body-int8" if provider == "cpu" else "segmentation-body"
        return "segmentation-filters", body

    @classmethod
    def load(cls, store: ModelStore, *, provider: Provider) -> Segmenter:
        """Load the network. Raises `ModelError` when its files cannot be had."""
        filters, body = (
            load_session(store.path(name), threads=1, provider=provider)
            for name in cls.names(provider)
        )

        def probe(value: float) -> Float:
            samples = np.full((1, 1, 271), value, np.float32)
            return np.asarray(filters.run(["high"], {"samples": samples})[0][0], np.float32)

        offset = probe(0.0)
        return cls(filters=filters, body=body, offset=offset, gain=probe(1.0) - offset)

    def segment(
        self, samples: Float, starts: list[int], *, window_samples: int = WINDOW_SAMPLES
    ) -> Float:
        """Class probabilities [windows, frames, 7] of the windows at ``starts``.

        ``samples`` [n] reaches to the end of the last window; ``starts`` are multiples of 30.
        Windows of 10 s, which the network was trained on, have 589 frames; of 5 s, 293.
        """
        high, low = self.filter(samples)
        steps = self.steps(window_samples)
        magnitudes = np.empty((len(high), steps), np.float32)
        probabilities = np.empty(
            (len(starts), frames_in(window_samples), len(CLASS_SPEAKERS)), np.float32
        )
        for start, target in zip(starts, probabilities, strict=True):
            part = slice(start // _HOP, start // _HOP + steps)
            normalise = self.normaliser(samples[start : start + window_samples])
            normalise(high[:, part], low[:, part], magnitudes)
            # One window at a time: the integer network scales its activations per run.
            target[...] = self.answer_body(magnitudes)
        return probabilities

    def filter(self, samples: Float) -> tuple[Float, Float]:
        """The filters' output, ``high`` and ``low`` [80, steps], for ``samples`` [n]."""
        if len(samples) < _REACH + _HOP:
            nothing = np.zeros((len(self.offset), 0), np.float32)
            return nothing, nothing
        high, low = self.filters.run(None, {"samples": samples[None, None]})
        return high[0], low[0]

    @staticmethod
    def steps(samples: int) -> int:
        """Steps of the filters' output in a window."""
        return (samples - _REACH) // _HOP

    def normaliser(self, window: Float) -> Callable[[Float, Float, Float], None]:
        """Writes the magnitudes of the normalised ``window``, or of a part of it, to the last."""
        mean = np.float32(window.mean(dtype=np.float64))
        deviation = np.float32(np.sqrt(window.var(dtype=np.float64) + _VARIANCE_FLOOR))
        # (filters(x) - offset - mean * gain) / deviation + offset is the normalised output
        shift = self.offset * (deviation - 1) - mean * self.gain

        def normalise(high: Float, low: Float, magnitudes: Float) -> None:
            np.maximum(high + shift, low - shift, out=magnitudes)
            magnitudes /= deviation

        return normalise

    def answer_body(self, magnitudes: Float) -> Float:
        """Class probabilities [frames, 7] from a window's magnitudes [80, steps]."""
        (logits,) = self.body.run(None, {"magnitudes": magnitudes[None]})
        probabilities: Float = np.exp(logits[0])
        return probabilities

    def answer(self, window: Float) -> Float:
        """Class probabilities [frames, 7] of one window [n]."""
        probabilities: Float = self.segment(window, [0], window_samples=len(window))[0]
        return probabilities

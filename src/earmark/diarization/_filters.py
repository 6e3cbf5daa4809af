"""The segmentation's first layer over sound that streams by, once for all windows over it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._segmentation import Segmenter
from earmark.models import Ask

__all__ = ["FilterLine"]

Float = NDArray[np.float32]

_HOP = 30  # samples per step of the filters' output


class FilterLine:
    """Push all sound; ask for windows that lie in what was pushed lately.

    What is asked is answered bit by bit as the network's whole answer to the window. Holds 0.35 MB
    per second of the newest ``kept`` samples.
    """

    def __init__(self, segmenter: Segmenter, *, kept: int) -> None:
        self._segmenter = segmenter
        self._kept = kept // _HOP
        self._rest = np.zeros(0, np.float32)  # samples of which not all filters are known
        self._parts: list[tuple[Float, Float]] = []  # high and low, each [80, steps]
        self._first = self._end = 0  # steps that are known, and held

    def push(self, samples: Float) -> None:
        """Take the next samples, any number."""
        self._rest = np.concatenate([self._rest, samples])
        high, low = self._segmenter.filter(self._rest)
        steps = high.shape[1]
        self._rest = self._rest[steps * _HOP :]
        self._parts.append((high, low))
        self._end += steps
        while self._end - self._first - self._parts[0][0].shape[1] >= self._kept:
            self._first += self._parts.pop(0)[0].shape[1]

    def ask(self, window: Float, start: int) -> Ask:
        """An ask for the class probabilities of ``window``, the samples from ``start`` on.

        ``start`` is a multiple of 30; less than 0, or a window that reaches past what was pushed,
        takes longer, because its silence was not pushed.
        """
        first = start // _HOP
        last = first + self._segmenter.steps(len(window))
        if first < self._first or last > self._end:
            return Ask(network="segmentation", values=window)
        magnitudes = np.empty((len(self._segmenter.offset), last - first), np.float32)
        normalise = self._segmenter.normaliser(window)
        at = self._first
        for high, low in self._parts:
            begin, end = max(first, at), min(last, at + high.shape[1])
            if begin < end:
                part = slice(begin - at, end - at)
                normalise(high[:, part], low[:, part], magnitudes[:, begin - first : end - first])
            at += high.shape[1]
        return Ask(network="segmentation-body", values=magnitudes)

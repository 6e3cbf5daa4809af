"""The pitch of a voice: the fundamental frequency of its voiced frames.

The peak of the autocorrelation of a frame, divided by that of its window, as in Paul Boersma,
"Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
sampled sound", IFA Proceedings 17, 1993; but of the magnitudes of the spectrum to the power of 2/3
instead of their squares, as in Tolonen and Karjalainen, "A computationally efficient multipitch
analysis model", IEEE Transactions on Speech and Audio Processing 8, 2000. That weakens a strong
formant, which on a telephone, without the fundamental, makes men sound an octave higher. Without a
path through the frames: what is made of it is robust to single errors.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["PITCH_STEP", "PITCH_WINDOW", "pitch"]

Float = NDArray[np.float32]

PITCH_STEP, PITCH_WINDOW = 320, 800
"""Samples from one frame to the next, and in a frame: 20 ms and 50 ms."""

_RATE = 16_000
_LOWEST, _HIGHEST = 60.0, 420.0  # Hz
_FFT = 2048
_PITCHED = 3400.0  # Hz above which nothing counts, so that a telephone changes little
_POWER = 2 / 3  # of the spectrum's magnitudes
_VOICED = 0.25  # of the autocorrelation at lag 0; noise has 0.1
_SHORTER = 0.02  # what an octave up is worth: a period is also a multiple of itself


def pitch(samples: Float) -> Float:
    """The pitch in Hz of each frame of ``samples`` [n] at 16 kHz, 0 where it has none.

    There are ``(n - 800) // 320 + 1`` frames.
    """
    count = max(0, (len(samples) - PITCH_WINDOW) // PITCH_STEP + 1)
    if not count:
        return np.zeros(0, np.float32)
    starts = PITCH_STEP * np.arange(count)[:, None]
    frames = samples[starts + np.arange(PITCH_WINDOW)]
    window, of_window, lags, worth = _tables()
    spectrum = np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * window, _FFT, axis=1)
    spectrum[:, int(_PITCHED * _FFT / _RATE) :] = 0
    alike = np.fft.irfft(np.abs(spectrum) ** _POWER, axis=1)[:, : lags[-1] + 2]
    alike = alike / np.maximum(alike[:, :1], 1e-12) / of_window[: lags[-1] + 2]
    inner = alike[:, lags]
    peaks = (inner > alike[:, lags - 1]) & (inner >= alike[:, lags + 1]) & (inner > _VOICED)
    rated = np.where(peaks, inner + worth, -1.0)
    best = rated.argmax(axis=1)
    lag = lags[best].astype(np.float64)
    row = np.arange(count)
    before, at, after = (alike[row, lags[best] + shift] for shift in (-1, 0, 1))
    bend = before - 2 * at + after
    lag += np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1.0), 0.0)
    found = np.where(rated[row, best] > 0, _RATE / lag, 0.0)
    return np.asarray(found, np.float32)


@cache
def _tables() -> tuple[Float, Float, NDArray[np.int64], Float]:
    """The window, its autocorrelation, the lags that are looked at, and what each is worth."""
    window = np.hanning(PITCH_WINDOW)
    spectrum = np.fft.rfft(window, _FFT)
    spectrum_low = np.abs(spectrum) ** 2
    own = np.fft.irfft(spectrum_low)
    lags = np.arange(int(_RATE / _HIGHEST), int(_RATE / _LOWEST) + 1)
    worth = -_SHORTER * np.log2(lags / lags[0])
    return (
        window.astype(np.float32),
        (own / own[0]).astype(np.float32),
        lags,
        worth.astype(np.float32),
    )

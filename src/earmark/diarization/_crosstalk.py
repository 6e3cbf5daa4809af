"""Channels of one recording hear each other; each keeps what is its own.

The segmentation takes no notice of loudness, so on a telephone call with a channel per side it
finds the far side's faint echo as well. What is much fainter than a channel on which somebody is
speaking at the same moment is that channel's sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._evidence import Evidence

__all__ = ["without_crosstalk"]

Float = NDArray[np.float32]

_FAINT_DB = 15.0
_SMOOTHED = 27  # frames (0.46 s) over which power and speech are averaged
_SPEAKING = 0.1  # mean probability of speech from which a channel counts as speaking
_MOST = 0.5  # share of a unit that may be another channel's


def without_crosstalk(channels: Sequence[Evidence]) -> list[Evidence]:
    """The same evidence, of channels recorded together, without what belongs to another one."""
    if len(channels) < 2:
        return list(channels)
    power = np.stack([_smooth(_power(one.level)) for one in channels])
    speaking = np.stack([_smooth(one.speech) > _SPEAKING for one in channels])
    heard = np.where(speaking, power, 0)  # so noise, however loud, silences nobody
    cleaned = []
    for i, one in enumerate(channels):
        loudest = np.delete(heard, i, axis=0).max(axis=0)
        cleaned.append(_silenced(one, power[i] < loudest * 10 ** (-_FAINT_DB / 10)))
    return cleaned


def _silenced(evidence: Evidence, foreign: NDArray[np.bool_]) -> Evidence:
    """``evidence`` with nobody in the ``foreign`` frames [T], and without the units there."""
    running = np.concatenate([[0], np.cumsum(foreign)])
    span = evidence.window_frame[evidence.unit_window, None] + evidence.unit_span.astype(np.int64)
    first, last = np.minimum(span, len(foreign)).T
    share = (running[last] - running[first]) / np.maximum(last - first, 1)
    own = share <= _MOST
    return replace(
        evidence,
        speech=np.where(foreign, np.float32(0), evidence.speech),
        overlap=np.where(foreign, np.float32(0), evidence.overlap),
        scores=np.where(foreign[:, None], np.float16(np.nan), evidence.scores),
        unit_clean_s=np.where(own, evidence.unit_clean_s, np.float32(0)),
        unit_vector=np.where(own[:, None], evidence.unit_vector, np.float16(0)),
    )


def _power(level_db: NDArray[np.float16]) -> Float:
    return np.power(np.float32(10), level_db.astype(np.float32) / 10)


def _smooth(values: Float) -> Float:
    """Means over `_SMOOTHED` neighbours."""
    padded = np.pad(values, _SMOOTHED // 2, mode="edge")
    return np.convolve(padded, np.full(_SMOOTHED, 1 / _SMOOTHED, np.float32), mode="valid")

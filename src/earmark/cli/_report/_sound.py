"""The recording for the page: the outline of the waveform, and the sound itself, small."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE, open_audio

__all__ = ["MAX_SOUND_S", "Sound", "listen"]

MAX_SOUND_S = 4 * 3600.0
"""A longer recording gets a page without sound: at 16 kb/s four hours are 38 MB of page."""

_FULL_RATE_S = 3600.0
_PEAKS_PER_SECOND = 50
_MAX_PEAKS = 20_000
_EFFORT = "1"  # of 10; speech at these rates sounds the same, in a third of the time


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    """The recording as the page carries it.

    ``peaks`` is the loudest sample of each equal piece of time, uint8 [n], 255 the loudest of all.
    ``webm`` is mono Opus in WebM, or None when the recording is too long to carry along.
    """

    peaks: NDArray[np.uint8]
    webm: bytes | None


def listen(
    source: Path,
    *,
    channels: str | tuple[int, ...],
    start: float,
    duration: float,
    damaged: Literal["error", "warn"],
) -> Sound:
    """Read ``duration`` seconds from ``start`` on, mixed to one channel.

    24 kb/s up to an hour (11 MB), 16 kb/s up to `MAX_SOUND_S`. Raises `AudioError`.
    """
    pieces = min(_MAX_PEAKS, max(1, math.ceil(duration * _PEAKS_PER_SECOND)))
    outline = _Outline(pieces, samples=max(1, round(duration * SAMPLE_RATE)))
    encoder = _Encoder(24_000 if duration <= _FULL_RATE_S else 16_000)
    carried = duration <= MAX_SOUND_S
    selected = "mix" if channels == "split" else channels
    with open_audio(
        source, channels=selected, start=start, end=start + duration, on_damage=damaged
    ) as audio:
        for block in audio:
            mono = block.mean(axis=0, dtype=np.float32)
            outline.add(mono)
            if carried:
                encoder.add(mono)
    return Sound(peaks=outline.peaks(), webm=encoder.finish() if carried else None)


class _Outline:
    """The loudest sample of each piece of time, gathered block by block."""

    def __init__(self, pieces: int, *, samples: int) -> None:
        self._loudest = np.zeros(pieces, dtype=np.float32)
        self._per_piece = samples / pieces
        self._position = 0

    def add(self, mono: NDArray[np.float32]) -> None:
        if not mono.size:
            return
        piece = ((self._position + np.arange(mono.size)) / self._per_piece).astype(np.int64)
        first = np.flatnonzero(np.diff(piece, prepend=-1))  # where each piece begins
        index = np.minimum(piece[first], self._loudest.size - 1)
        np.maximum.at(self._loudest, index, np.maximum.reduceat(np.abs(mono), first))
        self._position += mono.size

    def peaks(self) -> NDArray[np.uint8]:
        top = float(self._loudest.max()) or 1.0
        return np.round(self._loudest / top * 255).astype(np.uint8)


class _Encoder:
    """Mono 16 kHz samples to Opus in WebM."""

    def __init__(self, bit_rate: int) -> None:
        import av

        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format="webm")
        self._stream = self._container.add_stream(
            "libopus",
            rate=SAMPLE_RATE,
            layout="mono",
            options={"application": "voip", "compression_level": _EFFORT},
        )
        self._stream.bit_rate = bit_rate
        self._position = 0

    def add(self, mono: NDArray[np.float32]) -> None:
        import av

        frame = av.AudioFrame.from_ndarray(mono[None], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._position
        self._position += mono.size
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.getvalue()

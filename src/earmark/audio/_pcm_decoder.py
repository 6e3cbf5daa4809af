"""Raw samples as they arrive, in pieces of any size, to sound at 16 kHz."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark.audio._limits import SAMPLE_RATE
from earmark.audio._pcm import Encoding, PcmFormat

if TYPE_CHECKING:
    from soxr import ResampleStream

__all__ = ["PcmDecoder"]

Float = NDArray[np.float32]

_ULAW_BIAS = 33


class PcmDecoder:
    """Push bytes, receive float32 [n] at 16 kHz in [-1, 1]; channels are averaged.

    The same bytes make the same sound however they are cut: bytes of a sample that is not complete
    wait for the rest of it. Numbers that are not finite become 0. Not for several threads at once.
    """

    def __init__(self, pcm: PcmFormat) -> None:
        self._format = pcm
        self._carried = b""
        self._resampler: ResampleStream | None = None
        if pcm.sample_rate != SAMPLE_RATE:
            import soxr

            self._resampler = soxr.ResampleStream(
                pcm.sample_rate, SAMPLE_RATE, 1, dtype=np.float32, quality="HQ"
            )

    def push(self, data: bytes | bytearray | memoryview) -> Float:
        """The sound of ``data`` and of what was carried, as far as it is known yet."""
        whole = b"".join((self._carried, data))
        end = len(whole) - len(whole) % self._format.frame_bytes
        self._carried = whole[end:]
        return self._resampled(self._mixed(whole[:end]), last=False)

    def finish(self) -> Float:
        """The rest of the sound; bytes of a sample that never became complete are dropped."""
        self._carried = b""
        return self._resampled(np.zeros(0, np.float32), last=True)

    def _mixed(self, data: bytes) -> Float:
        samples = _decoded(data, self._format.encoding)
        if self._format.channels > 1:
            samples = samples.reshape(-1, self._format.channels).mean(axis=1, dtype=np.float32)
        return samples

    def _resampled(self, samples: Float, *, last: bool) -> Float:
        if self._resampler is None or not (len(samples) or last):
            return samples
        out = np.asarray(self._resampler.resample_chunk(samples, last=last), np.float32)
        # A band-limited signal may pass its samples' peaks between them.
        return np.clip(out, -1.0, 1.0)


def _decoded(data: bytes, encoding: Encoding) -> Float:
    """Float32 [n] in [-1, 1] of whole samples."""
    match encoding:
        case Encoding.PCM_S16LE:
            return np.frombuffer(data, "<i2").astype(np.float32) * np.float32(2.0**-15)
        case Encoding.PCM_S24LE:
            padded = np.zeros((len(data) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            return (padded.view("<i4")[:, 0] * 2.0**-31).astype(np.float32)
        case Encoding.PCM_S32LE:
            return (np.frombuffer(data, "<i4") * 2.0**-31).astype(np.float32)
        case Encoding.PCM_F32LE:
            samples = np.frombuffer(data, "<f4").astype(np.float32)
            samples[~np.isfinite(samples)] = 0.0
            return np.clip(samples, -1.0, 1.0)
        case Encoding.MULAW:
            return _mulaw()[np.frombuffer(data, np.uint8)]
        case Encoding.ALAW:
            return _alaw()[np.frombuffer(data, np.uint8)]


@cache
def _mulaw() -> Float:
    """What each byte of G.711's mu-law stands for (ITU-T G.711, table 2), [256]."""
    byte = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (byte >> 4 & 7).astype(np.int32), (byte & 15).astype(np.int32)
    size = (((mantissa << 1) + _ULAW_BIAS) << exponent) - _ULAW_BIAS
    return _signed(size * 4, byte & 128 == 0)


@cache
def _alaw() -> Float:
    """What each byte of G.711's A-law stands for (ITU-T G.711, table 1), [256]."""
    byte = np.arange(256, dtype=np.uint8) ^ np.uint8(0x55)
    exponent, mantissa = (byte >> 4 & 7).astype(np.int32), (byte & 15).astype(np.int32)
    step = (mantissa << 1) + 1
    size = np.where(exponent == 0, step, (step + 32) << np.maximum(exponent - 1, 0))
    return _signed(size * 8, byte & 128 != 0)


def _signed(size: NDArray[np.int32], positive: NDArray[np.bool_]) -> Float:
    return (np.where(positive, size, -size) * 2.0**-15).astype(np.float32)

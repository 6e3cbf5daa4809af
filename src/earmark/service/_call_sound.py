"""The sound of a call: pieces of any format, read as one recording."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE, open_isolated
from earmark.errors import EmptyAudio, InvalidInput, InvalidOption
from earmark.service._model import Leg
from earmark.settings import Settings

__all__ = ["Encoding", "Piece", "SoundFormat", "measure", "write_wav"]

Float = NDArray[np.float32]

_RATES = (8_000, 192_000)
_READ_BYTES = 1 << 20


class Encoding(StrEnum):
    """How raw samples are written."""

    PCM_S16LE = "pcm_s16le"
    MULAW = "mulaw"


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundFormat:
    """The format of raw samples, which say nothing of it themselves; ``sample_rate`` is in Hz."""

    encoding: Encoding
    sample_rate: int
    channels: int = 1

    def __post_init__(self) -> None:
        """Raise `InvalidOption` for what telephones do not send."""
        least, most = _RATES
        if not least <= self.sample_rate <= most:
            raise InvalidOption(
                f"Raw sound has {least} to {most} samples per second, not {self.sample_rate}."
            )
        if self.channels not in (1, 2):
            raise InvalidOption(f"Raw sound has 1 or 2 channels, not {self.channels}.")

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self | None:
        """The format in a row of the database; None: the sound is in a container."""
        return cls(**{**row, "encoding": Encoding(row["encoding"])}) if row else None

    def row(self) -> dict[str, Any]:
        """What `of` takes."""
        return asdict(self)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * (2 if self.encoding is Encoding.PCM_S16LE else 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Some sound as it came: how to open it, its ``format``, None in a container.

    ``leg`` None: both, the caller in channel 0 and the callee in channel 1.
    """

    open: Callable[[], BinaryIO]
    format: SoundFormat | None
    leg: Leg | None


def measure(piece: Piece, size: int, settings: Settings) -> float:
    """Seconds of sound in a piece of ``size`` bytes, which is read if it is in a container.

    Raises what `open_isolated` raises, `EmptyAudio`, and `InvalidInput` for raw sound that ends
    within a sample, and for sound of both legs that has not two channels.
    """
    if piece.format is None:
        return _measure_container(piece, settings)
    if piece.leg is None and piece.format.channels != 2:
        raise _not_both(piece.format.channels)
    if size == 0:
        raise EmptyAudio("There is no sound in this piece.")
    if size % piece.format.frame_bytes:
        raise InvalidInput(
            f"{size} bytes are no whole number of samples of {piece.format.frame_bytes} bytes:"
            " send whole samples."
        )
    return size / piece.format.frame_bytes / piece.format.sample_rate


def write_wav(
    pieces: Iterable[Piece], leg: Leg, out: BinaryIO, *, longest_s: float, settings: Settings
) -> None:
    """Write one leg of a call as a WAV file: 16 kHz, mono, 16 bits, at most ``longest_s``.

    Raises what `open_isolated` raises, and what opening the pieces does.
    """
    left = round(longest_s * SAMPLE_RATE)
    with wave.open(out, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        for block in _joined(pieces, leg, settings):
            samples = np.rint(block[:left] * 32767.0).astype("<i2")
            wav.writeframes(samples.tobytes())
            left -= len(samples)
            if left <= 0:
                break
    out.seek(0)


def _measure_container(piece: Piece, settings: Settings) -> float:
    with piece.open() as file, open_isolated(file, channels="split", settings=settings) as audio:
        if piece.leg is None and len(audio.channels) != 2:
            raise _not_both(len(audio.channels))
        return float(sum(block.shape[1] for block in audio)) / SAMPLE_RATE


def _joined(pieces: Iterable[Piece], leg: Leg, settings: Settings) -> Iterator[Float]:
    """One leg, float32 [n] at 16 kHz; raw pieces of one rate are converted as one stream."""
    converter = _Converter(SAMPLE_RATE)
    for piece in pieces:
        rate = SAMPLE_RATE if piece.format is None else piece.format.sample_rate
        if rate != converter.rate:
            yield converter.convert(np.empty(0, np.float32), last=True)
            converter = _Converter(rate)
        for block in _blocks(piece, leg, settings):
            yield converter.convert(block)
    yield converter.convert(np.empty(0, np.float32), last=True)


def _blocks(piece: Piece, leg: Leg, settings: Settings) -> Iterator[Float]:
    """One leg of a piece: float32 [n] at the piece's rate, 16 kHz for a container."""
    with piece.open() as file:
        if piece.format is not None:
            for samples in _raw(file, piece.format):
                yield samples.mean(axis=1) if piece.leg else samples[:, leg.channel]
            return
        channels = "mix" if piece.leg else [leg.channel]
        with open_isolated(file, channels=channels, settings=settings) as audio:
            for block in audio:
                yield block[0]


def _raw(file: BinaryIO, form: SoundFormat) -> Iterator[Float]:
    """Raw samples as float32 [n, channels]."""
    whole = _READ_BYTES - _READ_BYTES % form.frame_bytes
    while data := file.read(whole):
        data = data[: len(data) - len(data) % form.frame_bytes]
        if form.encoding is Encoding.MULAW:
            values = _MULAW[np.frombuffer(data, np.uint8)]
        else:
            values = np.frombuffer(data, "<i2").astype(np.float32) / 32768.0
        yield values.reshape(-1, form.channels)


class _Converter:
    """Brings a stream of samples to 16 kHz."""

    def __init__(self, rate: int) -> None:
        import soxr

        self.rate = rate
        self._stream = None
        if rate != SAMPLE_RATE:
            self._stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, quality="HQ")

    def convert(self, samples: Float, *, last: bool = False) -> Float:
        if self._stream is None:
            return samples
        out: Float = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        return np.clip(out, -1.0, 1.0)


def _mulaw_table() -> Float:
    """What the 256 bytes of µ-law stand for (ITU-T G.711), -1 to 1."""
    inverted = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + 0x84 << ((inverted & 0x70) >> 4)) - 0x84
    values = np.where(inverted & 0x80, -magnitude, magnitude)
    return (values / 32768.0).astype(np.float32)


_MULAW = _mulaw_table()


def _not_both(channels: int) -> InvalidInput:
    return InvalidInput(
        f"Sound of both legs has two channels, the caller's and the callee's, and not {channels}:"
        " say whose it is with leg=caller or leg=callee."
    )

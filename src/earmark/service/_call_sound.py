"""The sound of a call: pieces of any format, read as one recording."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE, PcmDecoder, PcmFormat, open_isolated
from earmark.errors import EmptyAudio, InvalidInput
from earmark.service._model import Leg
from earmark.settings import Settings

__all__ = ["Piece", "joined", "measure", "of_leg", "write_wav"]

Float = NDArray[np.float32]

_READ_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Some sound as it came: how to open it, its ``format``, None in a container.

    ``leg`` None: both, the caller in channel 0 and the callee in channel 1.
    """

    open: Callable[[], BinaryIO]
    format: PcmFormat | None
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
        for block in joined(pieces, leg, settings):
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


def joined(pieces: Iterable[Piece], leg: Leg, settings: Settings) -> Iterator[Float]:
    """One leg, float32 [n] at 16 kHz; raw pieces of one format are converted as one stream.

    Raises as `write_wav`.
    """
    form: PcmFormat | None = None
    decoder: PcmDecoder | None = None
    for piece in pieces:
        if decoder is not None and piece.format != form:
            yield decoder.finish()
            decoder = None
        form = piece.format
        if form is None:
            yield from _contained(piece, leg, settings)
            continue
        if decoder is None:
            decoder = PcmDecoder(form if piece.leg else replace(form, channels=1))
        with piece.open() as file:
            while data := file.read(_READ_BYTES - _READ_BYTES % form.frame_bytes):
                yield decoder.push(data if piece.leg else of_leg(data, form, leg))
    if decoder is not None:
        yield decoder.finish()


def of_leg(data: bytes, form: PcmFormat, leg: Leg) -> bytes:
    """The samples of one leg, of raw sound of both; bytes of a sample that is cut are dropped."""
    whole = np.frombuffer(data, np.uint8, count=len(data) - len(data) % form.frame_bytes)
    samples = whole.reshape(-1, form.channels, form.encoding.sample_bytes)
    return samples[:, leg.channel].tobytes()


def _contained(piece: Piece, leg: Leg, settings: Settings) -> Iterator[Float]:
    """One leg of a piece in a container: float32 [n] at 16 kHz."""
    channels = "mix" if piece.leg else [leg.channel]
    with piece.open() as file, open_isolated(file, channels=channels, settings=settings) as audio:
        for block in audio:
            yield block[0]


def _not_both(channels: int) -> InvalidInput:
    return InvalidInput(
        f"Sound of both legs has two channels, the caller's and the callee's, and not {channels}:"
        " say whose it is with leg=caller or leg=callee."
    )

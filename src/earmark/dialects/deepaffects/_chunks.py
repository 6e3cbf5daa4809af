"""The chunks of a real-time call: recordings of their own, and where they are in the stream."""

from __future__ import annotations

import binascii
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE, Encoding, PcmFormat, open_isolated
from earmark.errors import InvalidInput
from earmark.settings import Settings

__all__ = ["FORMAT", "LONGEST_S", "Place", "Places", "decode"]

FORMAT: Final = PcmFormat(encoding=Encoding.PCM_F32LE, sample_rate=SAMPLE_RATE)
"""What chunks are decoded to, and their session takes."""

LONGEST_S: Final = 600.0
"""Seconds of sound that one chunk has at most."""

_CPU_S: Final = 60  # more than any chunk of that length takes
_SPACE: Final = b" \t\r\n"
_LATEST_S: Final = 1e9
_APART_S: Final = 0.25  # between two chunks that do not follow each other; encoders add this much
_BREAK_S: Final = 1.0


def decode(content: str, settings: Settings) -> NDArray[np.float32]:
    """The samples [n] of a chunk, mono, at 16 kHz, from the base64 of an audio file.

    Raises `InvalidInput`, and what `open_isolated` raises: it is decoded in a process of its own.
    """
    try:
        text = content.encode("ascii").translate(None, _SPACE)
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise InvalidInput(f"The content of the chunk is no base64: {error}.") from error
    if not data:
        raise InvalidInput("The chunk has no content: send an audio file as base64.")
    limits = {
        "max_duration_s": min(settings.max_duration_s, LONGEST_S),
        "decoder_cpu_s": min(settings.decoder_cpu_s, _CPU_S),
    }
    with (
        _file(data) as file,
        open_isolated(file, settings=settings.model_copy(update=limits)) as audio,
    ):
        return np.concatenate([block[0] for block in audio])


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a chunk is: ``offset`` in the client's stream, ``start`` in the session, in seconds.

    ``silence_s`` goes into the session before it.
    """

    offset: float
    start: float
    duration: float
    silence_s: float

    @property
    def end(self) -> float:
        """Where it ends in the session."""
        return self.start + self.duration

    def cut(self, start: float, end: float) -> tuple[float, float] | None:
        """What of a span of the session is in this chunk, in the client's stream."""
        start, end = max(start, self.start), min(end, self.end)
        if start >= end:
            return None
        return start - self.start + self.offset, end - self.start + self.offset


class Places:
    """Puts chunks one after the other into a session, with a short silence where some are missing.

    So a stream that begins late, or pauses for hours, costs no sound.
    """

    def __init__(self) -> None:
        self._filled = 0  # samples of the session
        self._next = 0.0  # where the stream would go on

    def put(self, offset: float, samples: int) -> Place:
        """The place of so many samples. Raises `InvalidInput` for an offset that is none."""
        if not 0 <= offset <= _LATEST_S:
            raise InvalidInput(f"A segmentOffset is in seconds from 0 on, not {offset:g}.")
        apart = self._filled > 0 and abs(offset - self._next) > _APART_S
        silence = round(_BREAK_S * SAMPLE_RATE) if apart else 0
        place = Place(
            offset=offset,
            start=(self._filled + silence) / SAMPLE_RATE,
            duration=samples / SAMPLE_RATE,
            silence_s=silence / SAMPLE_RATE,
        )
        self._filled += silence + samples
        self._next = offset + place.duration
        return place


@contextmanager
def _file(data: bytes) -> Iterator[IO[bytes]]:
    """A file with this in it, which on Linux is in memory alone."""
    if sys.platform == "linux":
        made: IO[bytes] = os.fdopen(os.memfd_create("chunk"), "w+b")
    else:
        made = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    with made as file:
        file.write(data)
        file.seek(0)
        yield file

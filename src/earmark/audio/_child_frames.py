"""What a decoding child says to its parent: frames of a kind, a length and as many bytes.

A hostile recording may have taken the child over, so the parent believes nothing: every length is
bounded by its kind before a byte of it is read, nothing is unpickled, and only the errors of this
room can be named. What breaks these rules raises :class:`ValueError`.
"""

from __future__ import annotations

import math
import struct
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from earmark import errors

__all__ = [
    "HEADER",
    "Kind",
    "block",
    "failed",
    "frame",
    "opened",
    "read_block",
    "read_error",
    "read_header",
    "read_opened",
    "read_warnings",
    "warned",
]

Float = NDArray[np.float32]

HEADER: Final = struct.Struct("<BI")
"""Kind of the frame, bytes that follow."""

_OPENED = struct.Struct("<Id")
_READABLE = struct.Struct("<d")

_MOST_SAMPLES: Final = 160_000
_MOST_TEXT: Final = 1 << 16
_MOST_WARNINGS: Final = 11

_ERRORS: Final[dict[str, type[errors.EarmarkError]]] = {
    each.code: each
    for each in (
        errors.AudioError,
        errors.AudioNotFound,
        errors.AudioTooLarge,
        errors.DamagedAudio,
        errors.DecoderDied,
        errors.DiskFull,
        errors.EmptyAudio,
        errors.InvalidInput,
        errors.InvalidOption,
        errors.InvalidSamples,
        errors.UnsupportedAudio,
    )
}


class Kind(IntEnum):
    """The kinds of frames, in the order in which they come: one OPENED, then any, one END."""

    OPENED = 1
    """How many channels come out, and the seconds that the header claims."""
    BLOCK = 2
    """Samples, float32, channel after channel."""
    WARNINGS = 3
    """All warnings so far."""
    ALIVE = 4
    """Nothing, while much is read and nothing comes out."""
    ERROR = 5
    """Why there is no more; the last frame."""
    END = 6
    """That was all; the last frame."""


def frame(kind: Kind, *parts: bytes | memoryview) -> bytes:
    """A frame of ``parts``."""
    return b"".join((HEADER.pack(kind, sum(len(part) for part in parts)), *parts))


def opened(channels: int, duration_hint: float | None) -> bytes:
    """Say that the recording is open and how many rows its blocks have."""
    hint = math.nan if duration_hint is None else duration_hint
    return frame(Kind.OPENED, _OPENED.pack(channels, hint))


def block(samples: Float) -> bytes:
    """Pass on samples [channels, n]."""
    return frame(Kind.BLOCK, np.ascontiguousarray(samples, "<f4").tobytes())


def warned(warnings: tuple[str, ...]) -> bytes:
    """Pass on the warnings."""
    return frame(Kind.WARNINGS, "\0".join(warnings).encode("utf-8", "surrogatepass")[:_MOST_TEXT])


def failed(error: errors.EarmarkError) -> bytes:
    """Pass on an error."""
    readable_s = error.readable_s if isinstance(error, errors.DamagedAudio) else 0.0
    text = f"{error.code}\0{error}".encode("utf-8", "surrogatepass")
    return frame(Kind.ERROR, _READABLE.pack(readable_s), text[:_MOST_TEXT])


def read_header(data: bytes | bytearray, *, channels: int) -> tuple[Kind, int]:
    """The kind and length that 5 bytes announce, of a stream of ``channels`` rows."""
    number, length = HEADER.unpack(data)
    kind = Kind(number)
    most = {
        Kind.OPENED: _OPENED.size,
        Kind.BLOCK: 4 * channels * _MOST_SAMPLES,
        Kind.WARNINGS: _MOST_TEXT,
        Kind.ERROR: _READABLE.size + _MOST_TEXT,
    }.get(kind, 0)
    if length > most:
        raise ValueError(f"{length} bytes of {kind.name}")
    return kind, length


def read_opened(payload: bytearray, *, least: int, most: int) -> tuple[int, float | None]:
    """The number of channels, ``least`` to ``most``, and the hint in seconds."""
    channels, hint = _unpack(_OPENED, payload)
    if not least <= channels <= most:
        raise ValueError(f"{channels} channels")
    return channels, hint if math.isfinite(hint) and hint >= 0 else None


def read_block(payload: bytearray, *, channels: int) -> Float:
    """The samples [channels, n]: finite, within [-1, 1], at least one per channel."""
    count, rest = divmod(len(payload), 4 * channels)
    if rest or not count:
        raise ValueError(f"{len(payload)} bytes of {channels} channels")
    samples: Float = np.frombuffer(payload, "<f4").astype(np.float32, copy=False)
    # Not a number compares false too.
    if not (samples.min() >= -1.0 and samples.max() <= 1.0):
        raise ValueError("samples out of range")
    return samples.reshape(channels, count)


def read_warnings(payload: bytearray) -> tuple[str, ...]:
    """The warnings."""
    found = tuple(_text(payload).split("\0")) if payload else ()
    if len(found) > _MOST_WARNINGS:
        raise ValueError(f"{len(found)} warnings")
    return found


def read_error(payload: bytearray) -> errors.EarmarkError:
    """The error; one that the child may not raise is no error but garbage."""
    (readable_s,) = _unpack(_READABLE, payload[: _READABLE.size])
    code, mark, message = _text(payload[_READABLE.size :]).partition("\0")
    if code not in _ERRORS or not mark or not (math.isfinite(readable_s) and readable_s >= 0):
        raise ValueError("an unknown error")
    kind = _ERRORS[code]
    if issubclass(kind, errors.DamagedAudio):
        return kind(message, readable_s=readable_s)
    return kind(message)


def _text(payload: bytearray) -> str:
    # A long text may have been cut within a character.
    return payload.decode("utf-8", "surrogatepass" if len(payload) < _MOST_TEXT else "ignore")


def _unpack(shape: struct.Struct, payload: bytearray) -> tuple[Any, ...]:
    if len(payload) != shape.size:
        raise ValueError(f"{len(payload)} bytes where {shape.size} belong")
    return shape.unpack(payload)

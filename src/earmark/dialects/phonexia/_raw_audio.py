"""Raw samples, as the head of a WAV file describes them: one way of decoding serves all."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from phonexia.grpc.common.core_pb2 import RawAudioConfig

from earmark.errors import InvalidOption

__all__ = ["wav_head", "wav_seconds"]

_FORMATS: Final[Mapping[int, tuple[int, int]]] = {
    RawAudioConfig.PCM16: (1, 2),
    RawAudioConfig.PCM32: (1, 4),
    RawAudioConfig.MULAW: (7, 1),
    RawAudioConfig.ALAW: (6, 1),
}
"""The format's number in a WAV file, and the bytes of a sample."""

_MOST_HERTZ: Final = 1 << 20  # the engine takes fewer, and says how many
_MOST_CHANNELS: Final = 1 << 9
_UNKNOWN: Final = 0  # size: as far as the file goes
_HEAD: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")


def wav_head(config: RawAudioConfig) -> bytes:
    """The 44 bytes that make a WAV file of samples whose number is not known yet.

    Raises `InvalidOption` for an encoding that there is none of, and for numbers that cannot be.
    """
    rate, channels = config.sample_rate_hertz, config.channels
    if config.encoding not in _FORMATS:
        raise InvalidOption(
            f"Raw audio is PCM16, PCM32, MULAW or ALAW, which encoding {config.encoding} is not."
        )
    if not 0 < rate <= _MOST_HERTZ:
        raise InvalidOption(
            f"raw_audio_config says that there are {rate} samples per second: send their true rate"
            " as sample_rate_hertz."
        )
    if not 0 < channels <= _MOST_CHANNELS:
        raise InvalidOption(
            f"raw_audio_config says that there are {channels} channels: send their true number,"
            " from 1 up."
        )
    form, width = _FORMATS[config.encoding]
    frame = channels * width
    return _HEAD.pack(
        *(b"RIFF", _UNKNOWN, b"WAVE"),
        *(b"fmt ", 16, form, channels, rate, rate * frame, frame, 8 * width),
        *(b"data", _UNKNOWN),
    )


def wav_seconds(head: bytes, size: int) -> float | None:
    """How long a file of ``size`` bytes that begins with ``head`` is; None: no plain WAV file."""
    if len(head) < _HEAD.size:
        return None
    riff, _, wave, chunk, *_, rate, _, _, _, _ = _HEAD.unpack_from(head)
    if (riff, wave, chunk) != (b"RIFF", b"WAVE", b"fmt ") or not rate:
        return None
    return float(size / rate)

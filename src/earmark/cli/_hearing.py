"""Sound for a live session: a recording at the pace of real time, or the microphone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE, Encoding, PcmFormat, open_audio
from earmark.errors import InvalidOption, MissingExtra, Unavailable

__all__ = ["SOUND", "microphone", "paced"]

SOUND = PcmFormat(encoding=Encoding.PCM_F32LE)
"""What both give."""

_CHUNK = SAMPLE_RATE // 10


def paced(recording: Path, speed: float) -> Iterator[bytes]:
    """A recording, mixed to one channel, a tenth of a second at a time.

    It comes ``speed`` times as fast as it was spoken, or as fast as it is taken with 0. Raises
    what `open_audio` does.
    """
    begun, done = time.perf_counter(), 0
    with open_audio(recording) as audio:
        for chunk in _chunks(audio):
            done += len(chunk)
            if speed:
                time.sleep(max(0.0, begun + done / SAMPLE_RATE / speed - time.perf_counter()))
            yield chunk.tobytes()


def microphone(device: str | None) -> AbstractContextManager[Iterator[bytes]]:
    """What a microphone hears, from now on, without end.

    ``device`` is a number or a part of a name, as sounddevice knows it. Raises `MissingExtra`
    without sounddevice and PortAudio, `InvalidOption` for a device that is not there,
    `Unavailable` for one that cannot be used.
    """
    try:
        sounddevice = import_module("sounddevice")
    except ImportError as error:
        raise MissingExtra(
            "The microphone needs sounddevice: pip install 'earmark[microphone]'."
        ) from error
    except OSError as error:  # of its own search for the library
        raise MissingExtra(
            "The microphone needs the PortAudio library (on Debian: apt install libportaudio2)."
        ) from error
    return _recorded(sounddevice, device)


@contextmanager
def _recorded(sounddevice: Any, device: str | None) -> Iterator[Iterator[bytes]]:
    named = int(device) if device is not None and device.isdecimal() else device
    try:
        stream = sounddevice.RawInputStream(SAMPLE_RATE, _CHUNK, named, channels=1, dtype="float32")
    except ValueError as error:
        raise InvalidOption(f"There is no microphone {device!r}: {error}") from error
    except sounddevice.PortAudioError as error:
        raise Unavailable(
            f"The microphone cannot be used ({error}): plug one in, or name another with --device."
        ) from error
    with stream:
        yield _heard(sounddevice, stream)


def _heard(sounddevice: Any, stream: Any) -> Iterator[bytes]:
    while True:
        try:
            chunk, _ = stream.read(_CHUNK)
        except sounddevice.PortAudioError as error:  # unplugged, say
            raise Unavailable(f"The microphone cannot be heard any more ({error}).") from error
        yield bytes(chunk)


def _chunks(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    for block in blocks:
        for first in range(0, block.shape[1], _CHUNK):
            yield np.ascontiguousarray(block[0, first : first + _CHUNK])

"""A long recording from short ones."""

from __future__ import annotations

import itertools
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.audio import SAMPLE_RATE, open_audio
from earmark.bench._dataset import pcm16
from earmark.errors import DiskFull, EmptyAudio, InvalidOption

__all__ = ["Part", "concatenate"]

_WAV_LIMIT_H = (2**32 - 1024) / (2 * SAMPLE_RATE) / 3600  # its sizes are 32-bit


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Where a file went: its samples fill ``start`` to ``end`` seconds of the long recording."""

    source: Path
    start: float
    end: float


def concatenate(files: Sequence[Path], *, hours: float, target: Path) -> list[Part]:
    """Write the files one after the other, again and again, until there are ``hours`` of audio.

    The target is a 16 kHz mono 16-bit WAV (115 MB per hour), written as it is decoded. The last
    file is cut where the time is up.

    Raises:
        InvalidOption: no files, or a length that is not between 0 and 37 hours (what a WAV holds).
        EmptyAudio: the files hold no sound.
        DiskFull: there is no room for it.
        AudioError: a file cannot be read.
    """
    if not files:
        raise InvalidOption("There is no file to make a long recording of; name one or more.")
    if not 0 < hours <= _WAV_LIMIT_H:
        raise InvalidOption(f"A WAV file holds up to {_WAV_LIMIT_H:.0f} hours, not {hours}.")
    wanted = round(hours * 3600 * SAMPLE_RATE)
    parts: list[Part] = []
    written = 0
    try:
        with wave.open(str(target), "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(SAMPLE_RATE)
            for source in itertools.cycle(files):
                start = written
                with open_audio(source) as stream:
                    for block in stream:
                        samples = block[0, : wanted - written]
                        wav.writeframesraw(pcm16(samples))
                        written += len(samples)
                        if written == wanted:
                            break
                parts.append(
                    Part(source=source, start=start / SAMPLE_RATE, end=written / SAMPLE_RATE)
                )
                if written == wanted:
                    return parts
                if len(parts) == len(files) and not written:
                    raise EmptyAudio("The files hold no sound to make a long recording of.")
    except OSError as error:
        raise DiskFull(f"Cannot write {target}: {error.strerror}.") from error
    raise AssertionError("cycle() does not end")

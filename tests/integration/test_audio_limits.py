"""The limits: decoded length, channels, rates; and memory that stays where it is."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from audio_samples import RECIPES, Pipe, encode, make, tones, wav
from earmark.audio import open_audio, open_isolated, read_audio
from earmark.errors import AudioTooLarge, EarmarkError, UnsupportedAudio
from earmark.settings import Settings

RATE = 16000


def short(rate: int, seconds: float) -> bytes:
    return wav(np.ones((2, round(rate * seconds)), np.int16), rate)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_the_budget_is_exact(rate: int) -> None:
    settings = Settings(max_duration_s=1.5)
    exactly = wav(np.ones((2, round(1.5 * rate)), np.int16), rate)
    assert read_audio(exactly, settings=settings).shape[1] == 24000
    one_more = wav(np.ones((2, round(1.5 * rate) + 1), np.int16), rate)
    with pytest.raises(AudioTooLarge, match=r"longer than the 1\.5 s accepted"):
        read_audio(one_more, settings=settings)


@pytest.mark.parametrize("name", ["flac", "mp3", "ogg-opus", "m4a-alac"])
def test_the_budget_holds_for_what_is_decoded(name: str) -> None:
    data = make(name, seconds=2.0)
    assert read_audio(data, settings=Settings(max_duration_s=2.0)).shape[1] == 2 * RATE
    for source in (data, Pipe(data)):
        with pytest.raises(AudioTooLarge):
            read_audio(source, settings=Settings(max_duration_s=1.99))


def test_a_header_that_lies_about_the_length_does_not_get_past_the_budget() -> None:
    for size in (0, 0xFFFFFFFF, 64):
        data = wav(np.ones((1, 100_000), np.int16), RATE, data_size=size)
        with pytest.raises(AudioTooLarge):
            read_audio(data, settings=Settings(max_duration_s=5.0))
    claims_days = wav(np.ones((1, RATE), np.int16), RATE, data_size=0xFFFFFFFF)
    assert read_audio(claims_days, settings=Settings(max_duration_s=1.0)).shape == (1, RATE)


def test_a_part_within_the_budget_of_a_file_past_it() -> None:
    settings = Settings(max_duration_s=1.0)
    data = short(RATE, 3.0)
    assert read_audio(data, start=0.25, end=1.0, settings=settings).shape == (1, 12000)
    with pytest.raises(AudioTooLarge, match="choose a part with start and end"):
        read_audio(data, start=0.25, end=1.01, settings=settings)
    with pytest.raises(AudioTooLarge):
        read_audio(data, start=2.0, end=2.5, settings=settings)


def test_the_longest_pause_is_within_the_budget_too() -> None:
    data = encode(
        tones(2.0, RATE), RATE, container="matroska", codec="pcm_s16le", pause=(1.0, 100.0)
    )
    with pytest.raises(AudioTooLarge):
        read_audio(data, settings=Settings(max_duration_s=60.0))


def test_channels_are_limited() -> None:
    data = wav(np.ones((5, 100), np.int16), RATE)
    assert read_audio(data, settings=Settings(max_channels=5)).shape == (1, 100)
    with pytest.raises(AudioTooLarge, match="has 5 channels, and 4 are accepted"):
        open_audio(data, settings=Settings(max_channels=4))


@pytest.mark.parametrize("rate", [10**9, 800_000, 2**31 - 1, 2**32 - 1])
def test_an_absurd_rate_is_refused(rate: int) -> None:
    with pytest.raises((AudioTooLarge, UnsupportedAudio, EarmarkError)):
        read_audio(wav(np.ones((1, 1000), np.int16), rate))
    if rate < 2**31:
        with pytest.raises(AudioTooLarge, match="at most 768000 Hz are accepted"):
            read_audio(wav(np.ones((1, 1000), np.int16), rate))


@pytest.mark.parametrize("rate", [1, 100, 999])
def test_a_rate_below_any_voice_is_refused(rate: int) -> None:
    with pytest.raises(UnsupportedAudio, match="at least 1000 Hz"):
        read_audio(wav(np.ones((1, 1000), np.int16), rate))


def isolated(data: bytes, settings: Settings, folder: Path) -> tuple[int, int]:
    path = folder / "sound"
    path.write_bytes(data)
    with open_isolated(path, channels="split", settings=settings) as audio:
        blocks = [block.shape for block in audio]
    return blocks[0][0], sum(count for _, count in blocks)


LIMITS = [
    ("max_duration_s", 1.5, (2, 24000, RATE), (2, 24001, RATE)),
    ("max_channels", 3, (3, 100, RATE), (4, 100, RATE)),
    ("max_sample_rate", 8001, (1, 100, 8001), (1, 100, 8002)),
    ("max_decoded_samples", 3000, (3, 1000, RATE), (3, 1001, RATE)),
    ("max_decoded_samples", 3000, (1, 3000, RATE), (1, 3001, RATE)),
]


@pytest.mark.parametrize(("name", "limit", "within", "beyond"), LIMITS)
def test_each_limit_is_exact_here_and_in_a_child(
    tmp_path: Path,
    name: str,
    limit: float,
    within: tuple[int, int, int],
    beyond: tuple[int, int, int],
) -> None:
    settings = Settings.model_validate({name: limit})
    (channels, count, rate), data = within, sound_of(*within)
    assert read_audio(data, channels="split", settings=settings).shape[0] == channels
    rows, samples = isolated(data, settings, tmp_path)
    assert rows == channels
    assert samples == pytest.approx(count * RATE / rate, abs=2)
    data = sound_of(*beyond)
    said = rf"{re.escape(f'{limit:g}')} .*accepted.*EARMARK_{name.upper()}"
    with pytest.raises(AudioTooLarge, match=said):
        read_audio(data, channels="split", settings=settings)
    with pytest.raises(AudioTooLarge, match=said):
        isolated(data, settings, tmp_path)


@pytest.mark.parametrize("name", ["flac", "wav-s24", "ogg-flac", "m4a-alac"])
def test_samples_are_counted_as_they_are_decoded(name: str) -> None:
    """At the recording's own rate; a header says nothing here."""
    count = 2 * RECIPES[name].rate * 2
    data = make(name, seconds=2.0, channels=2)
    assert read_audio(data, settings=Settings(max_decoded_samples=count)).shape == (1, 2 * RATE)
    for source in (data, Pipe(data)):
        with pytest.raises(AudioTooLarge, match=r"has \d+ samples so far"):
            read_audio(source, settings=Settings(max_decoded_samples=count - 1))


def sound_of(channels: int, count: int, rate: int) -> bytes:
    return wav(np.ones((channels, count), np.int16), rate)


class Endless(io.RawIOBase):
    """A streamed WAV of ``samples`` frames of silence that takes no memory."""

    def __init__(self, rate: int, channels: int, samples: int) -> None:
        self._head = wav(np.zeros((channels, 0), np.int16), rate, data_size=0xFFFFFFFF)
        self._length = len(self._head) + samples * channels * 2
        self._at = 0
        self._zeros = bytes(1 << 17)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._length)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._length - self._at, len(self._zeros))
        data = self._head[self._at : self._at + size] or self._zeros[:size]
        self._at += len(data)
        return data


def growth(source: Any, **options: Any) -> tuple[float, int]:
    """How much the process grows (MB) after the first blocks, and samples per channel."""
    process, samples, after_start = psutil.Process(), 0, 0
    with open_audio(source, **options) as audio:
        for index, block in enumerate(audio):
            samples += block.shape[1]
            if index == 8:
                after_start = process.memory_info().rss
    return (process.memory_info().rss - after_start) / 2**20, samples


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (192000, 2)])
def test_memory_does_not_grow_with_length(rate: int, channels: int) -> None:
    minutes = 60 if rate == 16000 else 10
    grown, samples = growth(Endless(rate, channels, rate * 60 * minutes), channels="split")
    assert samples == RATE * 60 * minutes
    assert grown < 12


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (48000, 2)])
def test_24_hours_take_no_more_memory_than_one(rate: int, channels: int) -> None:
    grown, samples = growth(Endless(rate, channels, rate * 24 * 3600), channels="split")
    assert samples == 24 * 3600 * RATE
    assert grown < 12


def test_an_hour_is_read_in_seconds() -> None:
    sound = np.random.default_rng(2).integers(-3000, 3000, (1, RATE * 600), np.int16)
    data = wav(sound, RATE)
    began = time.process_time()
    with open_audio(data) as audio:
        assert sum(block.shape[1] for block in audio) == RATE * 600
    # The target is 1.5 s of CPU per hour on a quiet machine; this one may be busy.
    assert (time.process_time() - began) * 6 < 6.0


def test_nothing_heavy_is_imported_before_a_file_is_opened() -> None:
    script = (
        "import sys, earmark.audio\n"
        "print([n for n in ('av', 'soxr', 'scipy', 'onnxruntime') if n in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ
    )
    assert result.stdout.strip() == "[]"

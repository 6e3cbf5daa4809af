"""Recordings made to do harm, through the door for recordings of strangers."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from audio_samples import encode, make, wav
from earmark.audio import open_isolated
from earmark.errors import (
    AudioTooLarge,
    DamagedAudio,
    EarmarkError,
    EmptyAudio,
    InvalidSamples,
    UnsupportedAudio,
)
from earmark.settings import Settings

RATE = 16000


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """No descriptor and no process more than before; the server of decoders stays."""
    here = psutil.Process()
    warm = tmp_path / "warm.wav"
    warm.write_bytes(make("wav-s16"))
    assert taken(warm) == 2 * RATE
    gc.collect()
    before = here.num_fds(), here.children(recursive=True)
    yield
    gc.collect()
    assert (here.num_fds(), here.children(recursive=True)) == before


def taken(path: Path, settings: Settings | None = None) -> int:
    """Samples per channel that come out."""
    with open_isolated(path, settings=settings) as audio:
        return sum(block.shape[1] for block in audio)


def silence(seconds: float, *, container: str, codec: str, rate: int) -> bytes:
    quiet = np.zeros((1, round(seconds * rate)), np.float32)
    options = {"frame_duration": "60"} if codec == "libopus" else {}
    return encode(quiet, rate, container=container, codec=codec, codec_options=options)


def playlist(target: Path) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2.0,\n{target}\n#EXT-X-ENDLIST\n".encode()


def lying(size: int) -> bytes:
    return wav(np.ones((1, RATE), np.int16), RATE, data_size=size)


def claiming(rate: int) -> bytes:
    return wav(np.ones((1, 1000), np.int16), rate)


HOSTILE: dict[str, tuple[Callable[[], bytes], type[EarmarkError], str]] = {
    "text": (lambda: b"I am no sound at all.\n" * 500, UnsupportedAudio, "is not audio"),
    "script": (lambda: b"#!/bin/sh\nrm -rf /\n", UnsupportedAudio, "is not audio"),
    "zeros": (lambda: bytes(1 << 16), UnsupportedAudio, "is not audio"),
    "nothing": (lambda: b"", EmptyAudio, "there are no bytes"),
    "only a header": (lambda: wav(np.zeros((1, 0), np.int16), RATE), EmptyAudio, "no samples"),
    "truncated flac": (lambda: make("flac", 4.0)[:20_000], DamagedAudio, "is damaged at"),
    "truncated mp4": (lambda: make("m4a-aac", 4.0)[:9000], DamagedAudio, "nothing is readable"),
    "a size that lies": (lambda: lying(1 << 24), DamagedAudio, "of 16777004 bytes"),
    "a rate that lies": (lambda: claiming(2**31 - 1), AudioTooLarge, "2147483647 Hz"),
    "255 channels": (
        lambda: wav(np.ones((255, 1000), np.int16), RATE),
        AudioTooLarge,
        "255 channels, and 32 are accepted",
    ),
    "no numbers": (
        lambda: wav(np.full((1, 9), np.nan, np.float32), RATE),
        InvalidSamples,
        "no finite numbers from 0.000 s",
    ),
    "infinite": (
        lambda: wav(np.full((1, 9), np.inf, np.float32), RATE),
        InvalidSamples,
        "no finite numbers",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_each_gets_its_own_error(tmp_path: Path, name: str) -> None:
    make_it, kind, says = HOSTILE[name]
    path = tmp_path / "x.wav"
    path.write_bytes(make_it())
    with pytest.raises(kind, match=says) as raised:
        taken(path)
    assert str(raised.value).startswith("x.wav ")


@pytest.mark.parametrize("ending", ["m3u8", "wav", "mp3"])
def test_a_playlist_opens_no_other_file(tmp_path: Path, ending: str) -> None:
    secret = tmp_path / "secret.ts"
    secret.write_bytes(make("mpegts-aac"))
    path = tmp_path / f"list.{ending}"
    path.write_bytes(playlist(secret))
    with pytest.raises(UnsupportedAudio):
        taken(path)


@pytest.mark.parametrize(
    ("container", "codec", "rate"), [("flac", "flac", 48000), ("ogg", "libopus", 48000)]
)
def test_a_bomb_stops_at_the_budget(tmp_path: Path, container: str, codec: str, rate: int) -> None:
    """Silence, small as a file and large once decoded."""
    data = silence(300.0, container=container, codec=codec, rate=rate)
    samples = 300 * rate
    assert samples * 4 > 1000 * len(data)
    path = tmp_path / "bomb"
    path.write_bytes(data)
    with pytest.raises(AudioTooLarge, match=r"^bomb has \d+ samples so far.* 480000 are accepted"):
        taken(path, Settings(max_decoded_samples=10 * rate))
    assert taken(path, Settings(max_decoded_samples=samples + rate)) == 300 * RATE


def test_a_bomb_comes_in_blocks_until_it_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "bomb.flac"
    path.write_bytes(silence(60.0, container="flac", codec="flac", rate=RATE))
    audio = open_isolated(path, settings=Settings(max_duration_s=31))
    seen: list[int] = []
    with audio, pytest.raises(AudioTooLarge, match="longer than the 31 s accepted"):
        seen.extend(block.shape[1] for block in audio)
    assert 25 * RATE <= sum(seen) <= 31 * RATE

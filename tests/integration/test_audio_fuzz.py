"""Mutilated real files: nothing but our own errors, in bounded time and memory."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audio_samples import Pipe, encode, make, tones
from earmark.audio import open_audio
from earmark.errors import AudioError, AudioTooLarge
from earmark.settings import Settings

NAMES = (
    "wav-s16",
    "wav-f64",
    "wav-adpcm",
    "w64",
    "aiff",
    "caf",
    "flac",
    "mp3",
    "m4a-aac",
    "m4a-alac",
    "aac-adts",
    "ogg-opus",
    "ogg-vorbis",
    "webm-opus",
    "mkv-pcm",
    "amr-nb",
    "ac3",
    "wma",
    "avi-mp3",
    "mpegts-aac",
    "wavpack",
)
HEAD = 600  # headers lie within these bytes
LIMITS = Settings(max_duration_s=60)
MEMORY = 1 << 30


def original(name: str) -> bytes:
    if name == "mp4-video":
        return encode(tones(1.0, 48000), 48000, container="mp4", codec="aac", video=True)
    return make(name, seconds=1.0)


def mutilate(data: bytes, seed: int) -> bytes:
    """Cut, flip, overwrite, delete and repeat bytes, more often in the header than elsewhere."""
    dice, out = random.Random(seed), bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        if not out:
            break
        at = dice.randrange(min(len(out), HEAD) if dice.random() < 0.6 else len(out))
        size = dice.choice((1, 4, 8, 100, 2000))
        match dice.randrange(6):
            case 0:
                del out[at:]
            case 1:
                for _ in range(dice.choice((1, 5, 50))):
                    out[dice.randrange(at, len(out))] ^= 1 << dice.randrange(8)
            case 2:
                out[at : at + size] = dice.randbytes(min(size, len(out) - at))
            case 3:
                value = dice.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 10**9))
                out[at : at + 4] = value.to_bytes(4, dice.choice(("little", "big")))
            case 4:
                del out[at : at + size]
            case _:
                out[at:at] = out[at : at + size]
    return bytes(out)


def read(data: bytes, *, tolerant: bool, pipe: bool = False, start: float | None = None) -> str:
    """Read ``data`` to its end, check every block, and name what came of it."""
    try:
        with open_audio(
            Pipe(data) if pipe else data,
            on_damage="warn" if tolerant else "error",
            channels="split",
            start=start,
            settings=LIMITS,
        ) as audio:
            for block in audio:
                assert block.dtype == np.float32
                assert block.shape[0] == len(audio.channels)
                assert 0 < block.shape[1] <= 160_000
                assert np.abs(block).max() <= 1.0
    except (AudioError, AudioTooLarge) as error:
        return type(error).__name__
    return "read"


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(NAMES),
    seed=st.integers(0, 2**32 - 1),
    tolerant=st.booleans(),
    pipe=st.booleans(),
    start=st.sampled_from((None, 0.5)),
)
def test_mutilated_files_end_in_our_own_errors(
    name: str, seed: int, tolerant: bool, pipe: bool, start: float | None
) -> None:
    began = time.process_time()
    read(mutilate(original(name), seed), tolerant=tolerant, pipe=pipe, start=start)
    assert time.process_time() - began < 5.0


@settings(max_examples=150)
@given(name=st.sampled_from(NAMES), share=st.floats(0.0, 1.0), pipe=st.booleans())
@example(name="flac", share=0.0, pipe=False)
def test_cut_files_end_in_our_own_errors(name: str, share: float, pipe: bool) -> None:
    whole = original(name)
    read(whole[: int(len(whole) * share)], tolerant=False, pipe=pipe)


@settings(max_examples=100)
@given(data=st.binary(max_size=4000), magic=st.sampled_from(NAMES), keep=st.integers(0, 64))
def test_a_true_beginning_and_nonsense_after_it(data: bytes, magic: str, keep: int) -> None:
    read(original(magic)[:keep] + data, tolerant=True)


def campaign(first: int, count: int) -> dict[str, int]:
    """``count`` mutilated files, one after another, and how often each outcome came."""
    outcomes: dict[str, int] = {}
    for seed in range(first, first + count):
        dice = random.Random(-seed)
        data = mutilate(original(dice.choice((*NAMES, "mp4-video"))), seed)
        outcome = read(data, tolerant=dice.random() < 0.5, pipe=dice.random() < 0.3)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


@pytest.mark.parametrize("count", [500, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is what Linux enforces")
def test_a_campaign_in_a_child_with_little_memory(count: int) -> None:
    script = (
        "import json, re, resource, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "import test_audio_fuzz as fuzz\n"
        "fuzz.read(fuzz.original('flac'), tolerant=False)\n"  # everything is loaded
        f"resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))\n"
        f"print(json.dumps(fuzz.campaign({count}, {count})))\n"
        # What getrusage() says of a child includes its parent's memory before exec.
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())\n"
        "print(peak[1])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    counts, peak_kib = result.stdout.splitlines()
    outcomes = json.loads(counts)
    assert sum(outcomes.values()) == count
    assert outcomes["read"] > count / 10
    assert outcomes["DamagedAudio"] > count / 10
    assert int(peak_kib) < 500_000

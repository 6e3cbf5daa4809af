"""Hours of talk in bounded memory, up to a day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from earmark.bench import concatenate
from engine import samples, wav_file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/status").exists(),
        reason="peak memory of a process is read from /proc",
    ),
]

# Peak memory is that of the program alone: what getrusage() says includes the parent's.
_SCRIPT = """
import json, re, sys, time
import earmark

started = time.monotonic()
result = earmark.diarize(sys.argv[1])
seconds = time.monotonic() - started
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
print(json.dumps({
    "peak_mb": int(peak[1]) / 1024,
    "rtf": seconds / result.duration,
    "duration": result.duration,
    "speakers": len(result.speakers),
    "turns": len(result.turns),
    "last": result.turns[-1].end,
    "hours_without_turns": result.duration // 3600 - len({t.start // 3600 for t in result}),
}))
"""


class Run(NamedTuple):
    """What a process that diarized a long recording says of itself."""

    peak_mb: float
    rtf: float
    duration: float
    speakers: int
    turns: int
    last: float
    hours_without_turns: float


@pytest.fixture(scope="module")
def people(sample_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The sample and, played slower and faster, calls of people with other voices."""
    folder, sound = tmp_path_factory.mktemp("people"), samples(sample_wav)
    files = []
    for speed in (1.0, 0.84, 1.18, 1.3):
        at = np.arange(0, len(sound) - 1, speed)
        path = folder / f"at_{speed}.wav"
        path.write_bytes(wav_file(np.interp(at, np.arange(len(sound)), sound)))
        files.append(path)
    return tuple(files)


@cache
def run(people: tuple[Path, ...], hours: int, models_dir: Path) -> Run:
    path = people[0].parent / f"{hours}h.wav"
    concatenate(people, hours=hours, target=path)
    try:
        output = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(path)],
            env=os.environ | {"EARMARK_MODELS_DIR": str(models_dir), "EARMARK_OFFLINE": "1"},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    finally:
        path.unlink()
    found = Run(**json.loads(output))
    print(f"{hours} h: {found}")
    return found


def assert_complete(found: Run, hours: int) -> None:
    assert found.duration == hours * 3600
    assert found.last > found.duration - 60
    assert found.hours_without_turns == 0
    assert found.turns > hours * 300
    assert 2 <= found.speakers <= 12


def test_an_hour_needs_less_than_900_mb(people: tuple[Path, ...], models_dir: Path) -> None:
    found = run(people, 1, models_dir)
    assert_complete(found, 1)
    assert found.peak_mb < 900


def test_a_further_hour_needs_less_than_40_mb(people: tuple[Path, ...], models_dir: Path) -> None:
    found = run(people, 3, models_dir)
    assert_complete(found, 3)
    assert found.peak_mb - run(people, 1, models_dir).peak_mb < 2 * 40


def test_a_day_is_diarized_in_bounded_memory(people: tuple[Path, ...], models_dir: Path) -> None:
    found = run(people, 24, models_dir)
    assert_complete(found, 24)
    assert found.peak_mb - run(people, 1, models_dir).peak_mb < 23 * 40

"""A person's path: who speaks now, in a recording that is played and in the microphone."""

from __future__ import annotations

import ctypes.util
import json
import os
import signal
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from people import People

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> dict[str, str]:
    return os.environ | {
        "EARMARK_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_OFFLINE": "true",
        "EARMARK_RESERVE_BYTES": "0",
    }


@pytest.fixture(scope="module")
def run(environment: dict[str, str]) -> Run:
    def earmark(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "earmark", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return earmark


def test_events_as_lines_of_json(run: Run, sample_wav: Path) -> None:
    done = run("listen", sample_wav, "--json", "--speed", "0")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "speech_started"
    assert events[-1]["type"] == "ended"
    assert events[-1]["reason"] == "finished"
    assert {event["speaker"] for event in events if event["type"] == "turn"} >= {
        "SPEAKER_00",
        "SPEAKER_01",
    }


def test_who_is_enrolled_is_named(
    run: Run, tmp_path: Path, people: People, sample_wav: Path
) -> None:
    (tmp_path / "june.wav").write_bytes(people.wav("june", 15.0))
    (tmp_path / "later.wav").write_bytes(people.wav("june", 12.0, part=1))
    enrolled = run("enroll", "June", tmp_path / "june.wav", "-g", "team", "--consent", "Yes.")
    assert enrolled.returncode == 0, enrolled.stderr
    known = run("listen", tmp_path / "later.wav", "-g", "team", "--speed", "0")
    assert "SPEAKER_00 is June" in known.stdout.splitlines(), known.stderr
    strangers = run("listen", sample_wav, "-g", "team", "--speed", "0")
    assert "June" not in strangers.stdout
    assert len(strangers.stdout.splitlines()) > 3


def test_a_gallery_or_a_recording_that_is_not_there(run: Run, sample_wav: Path) -> None:
    nobody = run("listen", sample_wav, "-g", "nobody")
    assert nobody.returncode == 1
    assert nobody.stderr.startswith("Error: ")
    missing = run("listen", "missing.wav")
    assert missing.returncode == 1
    assert "missing.wav" in missing.stderr


def test_the_microphone(environment: dict[str, str], sample_wav: Path, tmp_path: Path) -> None:
    if sys.platform != "linux" or ctypes.util.find_library("portaudio") is None:
        pytest.skip("PortAudio is not installed: the microphone")
    with wave.open(str(sample_wav)) as sound:  # at the rate that is recorded with
        (tmp_path / "said.raw").write_bytes(sound.readframes(sound.getnframes()))
    (tmp_path / ".asoundrc").write_text(
        f"""
        pcm.!default {{
            type file
            slave.pcm "null"
            file "/dev/null"
            infile "{tmp_path / "said.raw"}"
            format "raw"
        }}
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "earmark", "listen"],
        env=environment | {"HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "SPEAKER_00" in first


def test_no_microphone_is_told(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "earmark", "listen", "--device", "no such microphone"],
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("Error: ")
    assert "icrophone" in done.stderr

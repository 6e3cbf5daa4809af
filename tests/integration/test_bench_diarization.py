"""`earmark bench` on the sample recording: real models, real processes, peers that misbehave."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from dataclasses import replace
from io import StringIO
from pathlib import Path
from shutil import copy, copytree
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from earmark.audio import read_audio
from earmark.bench import (
    Peer,
    bench_diarization,
    bench_speed,
    diarization_document,
    load_dataset,
    print_diarization,
    score,
)
from earmark.cli._main import app
from earmark.diarization import Diarization, Diarizer
from earmark.settings import Settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sample_wav: Path, sample_rttm: Path) -> Path:
    """The sample twice: as it is, and as the left channel of a stereo file."""
    folder = tmp_path_factory.mktemp("bench")
    copy(sample_wav, folder / "sample.wav")
    copy(sample_rttm, folder / "sample.rttm")
    left = np.rint(read_audio(sample_wav)[0] * 32767).astype("<i2")
    with wave.open(str(folder / "stereo.wav"), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(16000)
        wav.writeframes(np.stack([left, np.zeros_like(left)], axis=1).tobytes())
    # The first line once more, as somebody on the second channel.
    lines = sample_rttm.read_text().splitlines()
    fields = lines[0].split()
    lines.append(" ".join([*fields[:2], "2", *fields[3:]]))
    (folder / "stereo.rttm").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def settings(models_dir: Path) -> Settings:
    return Settings(models_dir=models_dir, offline=True)


def toy_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, runner: str) -> Peer:
    """A peer whose runner is in ``tmp_path``, in an environment without anything installed."""
    from earmark.bench import _worker

    real = _worker._RUNNERS
    package = copytree(real / "peers", tmp_path / "peers", dirs_exist_ok=True)
    (package / f"{name}.py").write_text(dedent(runner))
    monkeypatch.setattr(_worker, "_RUNNERS", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(real.parents[1]))
    monkeypatch.setattr("earmark.bench._environments.peers_folder", lambda: tmp_path / "homes")
    return Peer(name=name, licence="MIT", installs=(), note="says one thing")


def test_the_report_is_the_diarizers_own_result(folder: Path, settings: Settings) -> None:
    dataset = load_dataset(folder, only=["sample"])
    report = bench_diarization(dataset, settings=settings, passes=2)
    (recording,) = dataset.recordings
    result = report.own.results["sample"]
    found = Diarizer(settings=settings).diarize(recording.path)
    assert result.turns == tuple(replace(turn, confidence=None) for turn in found.turns)
    regions = [(0.0, recording.duration)]
    assert result.score == score(recording.reference, found.turns, regions=regions)
    assert result.score.strict.rate < 0.2
    assert report.models == dict(found.models)
    assert len(result.wall_s) == len(result.cpu_s) == 2
    assert report.own.unstable == set()
    assert report.own.load_s > 0
    assert 50 < result.peak_rss_mb < 3000
    assert report.turn_reliability is not None
    assert report.turn_reliability.seconds.sum() == pytest.approx(
        sum(turn.duration for turn in found.turns)
    )
    assert report.frame_reliability is not None
    assert report.frame_reliability.seconds.sum() == pytest.approx(recording.duration, abs=0.1)


def test_told_the_number_of_speakers_it_keeps_to_it(folder: Path, settings: Settings) -> None:
    report = bench_diarization(
        load_dataset(folder, only=["sample"]), settings=settings, oracle=True, fast=True
    )
    assert report.own.results["sample"].score.exact == 1


def test_a_reference_with_channels_is_scored_by_channel(folder: Path, settings: Settings) -> None:
    report = bench_diarization(load_dataset(folder, only=["stereo"]), settings=settings)
    result = report.own.results["stereo"]
    assert {turn.channel for turn in result.turns} == {0}  # nobody speaks on the silent channel
    assert result.score.speakers == 3
    truth = Diarization.from_rttm(folder / "stereo.rttm").turns
    unheard = sum(turn.duration for turn in truth if turn.channel == 1)
    assert result.score.strict.miss >= unheard


SAYS_ONE_THING = """
    from ._serve import serve

    def load(setup):
        def diarize(job):
            if job["speakers"] == 2:
                raise ValueError("two is a crowd")
            return {"turns": [[0.0, 30.0, "somebody"], [1.0, 1.0001, "a blink"]]}
        return diarize

    serve(load, [])
"""


def test_peers_run_beside_and_those_that_cannot_say_why(
    folder: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = toy_peer(tmp_path, monkeypatch, "toy", SAYS_ONE_THING)
    bad = Peer(name="bad", licence="MIT", installs=(("--no-index", "no-such-diarizer"),))
    report = bench_diarization(load_dataset(folder), settings=settings, against=[good, bad])
    own, toy, missing = report.systems
    assert toy.results["sample"].turns[0].end == 30.0
    assert len(toy.results["sample"].turns) == 1
    assert toy.results["sample"].score.strict.rate > own.results["sample"].score.strict.rate
    assert "stereo" in own.results
    assert "stereo" not in toy.results
    assert [recording.name for recording in report.shared] == ["sample"]
    assert "no-such-diarizer" in str(missing.failure)
    assert missing.results == {}
    text = StringIO()
    print_diarization(report, Console(file=text, width=200))
    for part in ("toy (MIT): says one thing", "Not compared: stereo", "did not run: bad could not"):
        assert part in text.getvalue()


def test_a_peer_that_breaks_on_a_file_is_reported(
    folder: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = toy_peer(tmp_path, monkeypatch, "toy", SAYS_ONE_THING)
    dataset = load_dataset(folder, only=["sample"])
    report = bench_diarization(dataset, settings=settings, against=[peer], oracle=True)
    toy = report.systems[1]
    assert toy.failures == {"sample": "toy stopped: ValueError: two is a crowd"}
    assert toy.failure is None
    assert report.shared == list(dataset.recordings)  # one that got nowhere holds nobody up
    (document,) = [s for s in diarization_document(report)["systems"] if s["name"] == "toy"]
    assert document["failures"] == toy.failures


def run_cli(*arguments: str, settings: Settings) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from earmark.cli import main; main()", "bench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={
            "EARMARK_MODELS_DIR": str(settings.models_dir),
            "EARMARK_OFFLINE": "1",
            "PYTHONWARNINGS": "error",
            "COLUMNS": "160",
        },
    )


def test_the_command_prints_and_writes_what_was_measured(
    folder: Path, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "out.json"
    arguments = ("diarization", str(folder), "--skip", "ster*", "--json", str(file))
    done = run_cli(*arguments, settings=settings)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(file.read_text())
    assert document["schema"] == "earmark.bench.diarization/1"
    assert document["dataset"]["recordings"] == ["sample"]
    assert document["dataset"]["left_out"] == ["stereo"]
    (own,) = document["systems"]
    assert own["recordings"]["sample"]["strict"]["der"] == own["totals"]["all"]["strict"]["der"]
    assert own["versions"]["onnxruntime"] == document["machine"]["onnxruntime"]
    lines = done.stdout.splitlines()
    (row,) = [line.split() for line in lines if line.startswith("sample ")]
    assert row[2] == f"{100 * own['totals']['all']['strict']['der']:.1f}"
    assert any(line.startswith("left out  stereo") for line in lines)
    assert any(document["dataset"]["sha256"][:16] in line for line in lines)
    for sha in document["models"].values():
        assert any(sha[:12] in line for line in lines)


def test_the_command_refuses_what_makes_no_sense(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EARMARK_EVAL_DIR", raising=False)
    for arguments, message in (
        (("diarization", str(folder), "--only", "nothing"), "None of the 2 recordings"),
        (("diarization", str(folder), "--against", "nemo"), "There is no peer 'nemo'"),
        (("diarization",), "set EARMARK_EVAL_DIR"),
        (("diarization", str(folder), "--speakers", "2"), "auto or oracle, not '2'"),
        (("speed", str(folder / "sample.wav"), "--hours", "one"), "--hours takes numbers"),
    ):
        done = CliRunner().invoke(app, ["bench", *arguments])
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr


def test_speed_accounts_for_the_time(folder: Path, settings: Settings, tmp_path: Path) -> None:
    report = bench_speed(
        folder / "sample.wav", settings=settings, fast=True, passes=2, hours=[1 / 60, 1 / 20]
    )
    assert [length.duration for length in report.lengths] == [60.0, 180.0]
    for length in report.lengths:
        assert len(length.wall_s) == 2
        assert {"decoding", "campplus-trunk-int8", "clustering"} < set(length.stages)
        assert all(seconds > 0 for passes in length.stages.values() for seconds in passes)
        spent = sum(length.stage_rtf(stage) for stage in length.stages)
        assert spent == pytest.approx(length.cpu_rtf, rel=0.25)
        assert length.stage_rtf("other") < 0.5 * length.cpu_rtf
    assert report.mb_per_hour is not None
    assert len(report.first_turn_s) == 2
    assert all(0.1 < seconds < 60 for seconds in report.first_turn_s)
    file = tmp_path / "speed.json"
    done = run_cli(
        "speed", str(folder / "sample.wav"), "--passes", "1", "--json", str(file), settings=settings
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(file.read_text())["lengths"][0]["duration"] == 30.0
    assert "wall RTF" in done.stdout


def test_concatenate_writes_a_long_recording(
    folder: Path, settings: Settings, tmp_path: Path
) -> None:
    target = tmp_path / "long.wav"
    sample = str(folder / "sample.wav")
    done = run_cli("concatenate", sample, "--hours", "0.02", "-o", str(target), settings=settings)
    assert done.returncode == 0, done.stderr
    assert "0.02 h of 3 parts" in done.stdout
    assert read_audio(target).shape == (1, 72 * 16000)

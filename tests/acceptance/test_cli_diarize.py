"""A person asks from the shell who spoke when."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from earmark.diarization import Diarization
from earmark.voiceprints import DEFAULT_MODEL

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Shell:
    """Runs ``earmark`` in a folder, as a person would."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, "COLUMNS": "100", **environment}

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "earmark", *map(str, arguments)]

    def run(self, *arguments: str | Path, code: int = 0, stdin: bytes = b"") -> tuple[str, str]:
        """Standard output and standard error of a command that ends with ``code``."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=300,
            check=False,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == code, err
        assert "Traceback" not in err
        return out, err

    def in_terminal(self, *arguments: str | Path, **environment: str) -> str:
        """What a terminal shows."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env={**self.environment, "TERM": "xterm-256color", **environment},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        shown = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            shown += chunk
        os.close(master)
        assert process.wait(timeout=60) == 0
        return shown.decode().replace("\r\n", "\n")


@pytest.fixture
def shell(tmp_path: Path, models_dir: Path) -> Shell:
    return Shell(tmp_path, {"EARMARK_MODELS_DIR": str(models_dir), "EARMARK_OFFLINE": "1"})


@pytest.fixture
def call(shell: Shell, sample_wav: Path) -> Path:
    """The telephone call as call.wav in the shell's folder."""
    path = shell.folder / "call.wav"
    path.write_bytes(sample_wav.read_bytes())
    return path


def _samples(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def _write(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(np.ascontiguousarray(samples, dtype="<i2").tobytes())
    return path


def test_rttm_comes_out_of_a_pipe(shell: Shell, call: Path) -> None:
    out, err = shell.run("diarize", "call.wav")
    result = Diarization.from_rttm(out)
    assert result.uri == "call"
    assert result.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert err == ""


def test_a_terminal_shows_a_timeline_in_colour(shell: Shell, call: Path) -> None:
    shown = shell.in_terminal("diarize", "call.wav")
    lines = ANSI.sub("", shown).splitlines()
    assert any(line.startswith("call  0:30, 2 speakers in ") for line in lines)
    lanes = [line for line in lines if "█" in line]
    assert [lane.split()[0] for lane in lanes] == ["SPEAKER_00", "SPEAKER_01"]
    assert all(len(line) <= 100 for line in lines)
    assert "\x1b[36m" in shown


def test_no_color_is_honoured(shell: Shell, call: Path) -> None:
    shown = shell.in_terminal("diarize", "--quiet", "call.wav", NO_COLOR="1")
    assert "█" in shown
    assert not re.search(r"\x1b\[3\dm", shown)


def test_a_format_is_chosen(shell: Shell, call: Path) -> None:
    out, _ = shell.run("diarize", "call.wav", "--format", "csv")
    assert {row["speaker"] for row in csv.DictReader(io.StringIO(out))} == {
        "SPEAKER_00",
        "SPEAKER_01",
    }


def test_json_restores_the_result(shell: Shell, call: Path) -> None:
    out, _ = shell.run("diarize", "call.wav", "--format", "json", "--voiceprints")
    result = Diarization.from_json(out)
    assert result.duration == pytest.approx(30, abs=0.02)
    assert set(result.voiceprints) == set(result.speakers)
    assert {each.model for each in result.voiceprints.values()} == {DEFAULT_MODEL}
    assert all(len(digest) == 64 for digest in result.models.values())
    assert "voiceprints" not in json.loads(shell.run("diarize", "call.wav", "-f", "json")[0])
    assert result.models


def test_exclusive_has_no_overlap(shell: Shell, call: Path) -> None:
    both = Diarization.from_rttm(shell.run("diarize", "call.wav")[0])
    only = Diarization.from_rttm(shell.run("diarize", "call.wav", "--exclusive")[0])
    assert both.chart().overlap > 0
    assert only.chart().overlap == 0


def test_standard_input(shell: Shell, call: Path) -> None:
    direct, _ = shell.run("diarize", "call.wav")
    piped, _ = shell.run("diarize", "-", stdin=call.read_bytes())
    assert piped == direct.replace(" call ", " stdin ")


def test_the_number_of_speakers_is_kept_to(shell: Shell, call: Path) -> None:
    out, _ = shell.run("diarize", "call.wav", "--speakers", "1")
    assert Diarization.from_rttm(out).speakers == ("SPEAKER_00",)


def test_a_part_keeps_the_times_of_the_recording(shell: Shell, call: Path) -> None:
    out, _ = shell.run("diarize", "call.wav", "--start", "0:10", "--end", "20", "-f", "json")
    part = Diarization.from_json(out)
    assert (part.start_s, part.end_s) == (10, 20)
    assert 10 <= part.turns[0].start < part.turns[-1].end <= 20


def test_channels_by_themselves(shell: Shell, call: Path) -> None:
    mono = _samples(call)
    _write(shell.folder / "stereo.wav", np.stack([mono, np.roll(mono, 80_000)], axis=1))
    out, _ = shell.run("diarize", "stereo.wav", "--channels", "split", "-f", "json")
    speakers = Diarization.from_json(out).speakers
    assert {name.split("_")[0] for name in speakers} == {"CH0", "CH1"}
    out, _ = shell.run("diarize", "stereo.wav", "--channels", "1", "-f", "json")
    assert {turn.channel for turn in Diarization.from_json(out)} == {1}
    _, err = shell.run("diarize", "stereo.wav", "--channels", "0,2", code=2)
    assert "channel" in err


def test_fast_finds_the_same_people(shell: Shell, call: Path) -> None:
    out, _ = shell.run("diarize", "call.wav", "--fast")
    assert len(Diarization.from_rttm(out).speakers) == 2


@pytest.fixture
def folder(shell: Shell, call: Path) -> Path:
    """Three recordings, one of which is none."""
    _write(shell.folder / "half.wav", _samples(call)[: 16000 * 15])
    (shell.folder / "notes.wav").write_text("not a recording")
    return shell.folder


def test_many_recordings_with_a_bad_one(shell: Shell, folder: Path) -> None:
    names = ("call.wav", "half.wav", "notes.wav")
    _, err = shell.run("diarize", *names, "-o", "out", "-f", "srt", "--jobs", "2", code=1)
    assert sorted(path.name for path in (folder / "out").glob("*.srt")) == ["call.srt", "half.srt"]
    error, summary = err.splitlines()
    assert error.startswith("Error: ")
    assert "notes.wav" in error
    assert summary == "2 done, 0 up to date, 1 failed."


def test_it_carries_on_where_it_was(shell: Shell, folder: Path) -> None:
    def made() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in (folder / "out").glob("*.rttm")}

    shell.run("diarize", "call.wav", "-o", "out")
    first = made()
    _, err = shell.run("diarize", "call.wav", "half.wav", "-o", "out")
    assert err == "1 done, 1 up to date, 0 failed.\n"
    assert made()["call.rttm"] == first["call.rttm"]

    shell.run("diarize", "call.wav", "-o", "out", "--exclusive")  # other options: made again
    assert made()["call.rttm"] > first["call.rttm"]

    (folder / "out" / "half.rttm").write_text("corrected by hand\n")
    _, err = shell.run("diarize", "half.wav", "-o", "out")
    assert err == "0 done, 1 up to date, 0 failed.\n"
    _, err = shell.run("diarize", "half.wav", "-o", "out", "--speakers", "2", code=1)
    assert "not what this command wrote" in err
    assert (folder / "out" / "half.rttm").read_text() == "corrected by hand\n"
    shell.run("diarize", "half.wav", "-o", "out", "--speakers", "2", "--force")
    assert Diarization.from_rttm(folder / "out" / "half.rttm").uri == "half"


def test_results_of_several_are_printed_in_order(shell: Shell, folder: Path) -> None:
    out, _ = shell.run("diarize", "call.wav", "half.wav", "-f", "json", "--jobs", "2", "-q")
    assert [json.loads(line)["uri"] for line in out.splitlines()] == ["call", "half"]


def test_the_same_bytes_give_the_same_json(shell: Shell, folder: Path) -> None:
    alone, _ = shell.run("diarize", "call.wav", "-f", "json", "--voiceprints", "-q")
    shell.run(
        "diarize", "call.wav", "half.wav", "-o", "o", "-f", "json", "--voiceprints", "--jobs", "2"
    )
    assert (folder / "o" / "call.json").read_text() == alone


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["call.wav", "--min", "3", "--max", "2"], "--min 3 is more than --max 2"),
        (["call.wav", "--speakers", "0"], "--speakers"),
        (["call.wav", "--start", "abc"], "'abc' is no time"),
        (["call.wav", "--channels", "left"], "'left' names no channels"),
        (["call.wav", "--format", "docx"], "--format"),
        (["call.wav", "half.wav", "--format", "csv"], "name a folder for them with --output"),
        (["call.wav", "./call.wav"], "would both be called 'call'"),
        (["."], "is a folder"),
        ([], "FILES"),
    ],
)
def test_wrong_usage_is_said_before_any_work(
    shell: Shell, folder: Path, arguments: list[str], said: str
) -> None:
    out, err = shell.run("diarize", *arguments, code=2)
    assert out == ""
    assert said in err.splitlines()[-1]


@pytest.mark.parametrize(("name", "said"), [("no.wav", "no.wav"), ("notes.wav", "notes.wav")])
def test_a_bad_recording_is_one_sentence(shell: Shell, folder: Path, name: str, said: str) -> None:
    out, err = shell.run("diarize", name, code=1)
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert said in err


def test_a_broken_recording_is_refused_or_read_as_far_as_it_goes(shell: Shell, call: Path) -> None:
    (shell.folder / "broken.wav").write_bytes(call.read_bytes()[:600_000])
    _, err = shell.run("diarize", "broken.wav", code=1)
    assert err.startswith("Error: broken.wav")
    out, err = shell.run("diarize", "broken.wav", "--damaged", "warn", "-f", "json")
    assert err.startswith("Warning: broken.wav")
    assert 15 < Diarization.from_json(out).duration < 20


def test_a_name_that_is_no_utf8(shell: Shell, call: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    call.rename(call.with_name(f"{name}.wav"))
    shell.run("diarize", f"{name}.wav", "-f", "json", "-o", "out", "--report", "page.html")
    text = (shell.folder / "out" / f"{name}.json").read_text(encoding="utf-8")
    assert Diarization.from_json(text).uri == "caf\ufffd"
    assert "caf\ufffd" in (shell.folder / "page.html").read_text(encoding="utf-8")


def test_without_models_it_says_so(shell: Shell, call: Path) -> None:
    shell.environment["EARMARK_MODELS_DIR"] = str(shell.folder / "empty")
    out, err = shell.run("diarize", "--offline", "call.wav", code=3)
    assert out == ""
    assert err.startswith("Error: ")
    assert "earmark models pull" in err


def test_a_report_is_one_page(shell: Shell, call: Path) -> None:
    shell.run("diarize", "call.wav", "--report", "out.html", "-o", "out")
    page = (shell.folder / "out.html").read_text()
    assert page.count("<audio") == 1
    assert "SPEAKER_01" in page
    assert sorted(p.name for p in shell.folder.iterdir()) == ["call.wav", "out", "out.html"]


def test_reports_of_several_go_into_a_folder(shell: Shell, folder: Path) -> None:
    shell.run("diarize", "call.wav", "half.wav", "--report", "pages", "-q")
    assert sorted(p.name for p in (folder / "pages").glob("*.html")) == ["call.html", "half.html"]
    _, err = shell.run("diarize", "call.wav", "half.wav", "--report", "pages")
    assert err == "0 done, 2 up to date, 0 failed.\n"


@pytest.fixture
def long_call(shell: Shell, call: Path) -> Path:
    return _write(shell.folder / "long.wav", np.tile(_samples(call), 240))  # two hours


def test_ctrl_c_ends_it_cleanly(shell: Shell, long_call: Path) -> None:
    process = subprocess.Popen(
        shell.command("diarize", "long.wav", "call.wav", "-o", "out", "--jobs", "2"),
        cwd=shell.folder,
        env=shell.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    done = shell.folder / "out" / "call.rttm"
    while process.poll() is None and not done.exists():  # until it is at work on the long one
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.decode() == "Interrupted.\n"
    assert sorted(path.name for path in done.parent.iterdir()) == [".earmark", "call.rttm"]

"""A newcomer's first sight: `earmark demo`, as a program of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil


def test_the_demo_shows_who_spoke_when_and_finds_a_voice_again(
    models_dir: Path, sample_rttm: Path, tmp_path: Path
) -> None:
    others = {"EARMARK_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "EARMARK_PORT": "1"}
    own = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_OFFLINE": "true",
        "TMPDIR": str(tmp_path),
    }
    run = subprocess.run(
        [sys.executable, "-m", "earmark", "demo"],
        env=os.environ | others | own,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    assert len(lines) < 30
    assert all(len(line) <= 80 for line in lines)
    for turn in sample_rttm.read_text(encoding="utf-8").splitlines():
        start, seconds, person = (turn.split()[field] for field in (3, 4, 7))
        true = f"{float(start):.2f} – {float(start) + float(seconds):5.2f} s  {person}"
        assert true in run.stdout
    assert "SPEAKER_00" in run.stdout
    assert "SPEAKER_01" in run.stdout
    assert "Earmark heard 2" in run.stdout
    (rate,) = re.findall(r"\(DER\) ([\d.]+)% of the speech", run.stdout)
    assert float(rate) < 15
    assert "by way of a server" in run.stdout
    assert re.search(
        r"Enrolled speaker9\d from the first half \(\d\.\d s\), with consent", run.stdout
    )
    (heard,) = re.findall(r"Heard in the second half: (.+)\.", run.stdout)
    enrolled = run.stdout.split("Enrolled ")[1].split()[0]
    assert "somebody unknown" in heard
    assert re.search(rf"{enrolled} \(\d+%\)", heard)
    assert heard.count(" and ") == 1
    assert f"Erased {enrolled} again: signed receipt " in run.stdout
    assert not list(tmp_path.glob("earmark-demo-*")), "the server's data folder is left"
    left = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    assert not [line for line in left if str(tmp_path) in line]

"""``earmark calibrate`` and ``earmark bench verification`` on real voices.

Four people at three speeds each sound like twelve.
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earmark.cli._main import app
from earmark.voiceprints import Calibration
from people import PEOPLE, RATE, People, wav_of

SPEEDS = {"slow": 0.82, "plain": 1.0, "fast": 1.22}
FILES = 3
SECONDS = 4.0


@pytest.fixture(scope="module")
def voices(people: People, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each voice."""
    folder = tmp_path_factory.mktemp("voices")
    for speed, factor in SPEEDS.items():
        for name in PEOPLE:
            own = folder / f"{speed}_{name}"
            own.mkdir()
            for part in range(FILES):
                sound = wav_of(people.samples(name, SECONDS, part=part), rate=int(RATE * factor))
                (own / f"{part}.wav").write_bytes(sound)
    return folder


def trials(path: Path, voices: Path, folders: list[str]) -> Path:
    """All pairs of the files in these folders."""
    files = sorted(
        file.relative_to(voices) for each in folders for file in voices.glob(f"{each}/*")
    )
    path.write_text(
        "".join(f"{int(a.parent == b.parent)} {a} {b}\n" for a, b in combinations(files, 2))
    )
    return path


def test_a_site_gets_a_calibration_of_its_own(
    voices: Path, tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_MODELS_DIR", str(models_dir))
    path = trials(tmp_path / "trials.txt", voices, ["*"])
    target = tmp_path / "own.json"
    command = ["calibrate", str(path), "--audio", str(voices), "--output", str(target)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "12 people, 36 comparisons of the same person and 594 of two" in done.output
    own = Calibration.load(target)
    assert own != Calibration.load()
    assert own.provenance["people"] == 12
    assert len(own.strangers) > 3


def test_too_few_people_are_refused_before_anybody_is_heard(voices: Path, tmp_path: Path) -> None:
    path = trials(tmp_path / "trials.txt", voices, ["plain_*"])
    target = tmp_path / "own.json"
    command = ["calibrate", str(path), "--audio", str(voices), "--output", str(target)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "There are 4 people, but a calibration needs 10 or more" in done.output
    assert not target.exists()


def test_the_benchmark_tells_people_apart(
    voices: Path, tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_MODELS_DIR", str(models_dir))
    path = trials(tmp_path / "trials.txt", voices, ["plain_*"])
    found = tmp_path / "found.json"
    command = ["bench", "verification", str(path), "--audio", str(voices), "--json", str(found)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    document = json.loads(found.read_text())
    assert document["schema"] == "earmark.bench.verification/1"
    assert document["without_speech"] == []
    scores = {(each["pairs"], each["system"]): each for each in document["scores"]}
    assert set(scores) == {
        (pairs, system) for pairs in ("all", "listed") for system in ("fused", "CAM++", "WeSpeaker")
    }
    fused = scores["all", "fused"]
    assert (fused["corpus"], fused["same"], fused["other"]) == ("plain", 12, 54)
    assert fused["equal_error_rate"]["value"] < 0.1
    assert fused["min_cllr"] <= fused["cllr"]["value"] < fused["raw_cllr"]
    (rate, _) = document["open_set"]
    assert (rate["people"], rate["searches"], rate["found"]) == (4, 8, 8)
    assert "EER %" in done.output

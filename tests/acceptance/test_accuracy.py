"""Accuracy on a handful of recordings does not fall below the limits of accuracy.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from earmark.bench import Score, score
from earmark.diarization import Diarization, Diarizer
from earmark.settings import Settings

LIMITS = tomllib.loads(Path(__file__).with_name("accuracy.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", LIMITS)
def test_the_error_is_within_its_limits(name: str, eval_dir: Path, models_dir: Path) -> None:
    limits = LIMITS[name]
    folder = eval_dir / limits["folder"]
    diarizer = Diarizer(settings=Settings(models_dir=models_dir, offline=True))
    total = Score()
    for recording in limits["recordings"]:
        found = diarizer.diarize(folder / f"{recording}.flac")
        truth = Diarization.from_rttm(folder / f"{recording}.rttm")
        total += score(truth.turns, found.turns, regions=[(0.0, found.duration)])
    measured = {
        "strict": 100 * total.strict.rate,
        "lenient": 100 * total.lenient.rate,
        "miscounted": total.miscounted,
    }
    print(name, measured)
    assert total.recordings == len(limits["recordings"])
    assert {key: value for key, value in measured.items() if value > limits[key]} == {}, measured

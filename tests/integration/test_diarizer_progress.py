"""How far a diarization is, and stopping it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from earmark.diarization import Diarizer, Progress
from earmark.errors import Canceled
from engine import diarizer, samples, wav_file


@pytest.fixture(scope="module")
def engine(models_dir: Path) -> Diarizer:
    return diarizer(models_dir, fast=True)


@pytest.fixture(scope="module")
def long(sample_wav: Path) -> bytes:
    """Three minutes."""
    return wav_file(np.tile(samples(sample_wav), 6))


def test_progress_goes_from_nothing_to_all(engine: Diarizer, long: bytes) -> None:
    seen: list[Progress] = []
    engine.diarize(long, on_progress=seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert len(set(fractions)) > 5
    assert list(dict.fromkeys(p.stage for p in seen)) == ["analysing", "clustering", "labelling"]


def test_each_split_channel_is_a_step(engine: Diarizer, sample_wav: Path) -> None:
    sound = samples(sample_wav)
    seen: list[Progress] = []
    engine.diarize(wav_file(sound, sound), channels="split", on_progress=seen.append)
    labelled = [progress.fraction for progress in seen if progress.stage == "labelling"]
    assert len(labelled) == 2
    assert labelled[0] < labelled[1] == 1.0


@pytest.mark.parametrize("calls", [0, 1, 4])
def test_a_canceled_diarization_stops_at_once(
    engine: Diarizer, long: bytes, sample_wav: Path, calls: int
) -> None:
    before = engine.diarize(sample_wav)
    seen: list[Progress] = []

    def stop(progress: Progress) -> bool:
        seen.append(progress)
        return len(seen) <= calls

    started = time.monotonic()
    with pytest.raises(Canceled):
        engine.diarize(long, on_progress=stop)
    assert time.monotonic() - started < 5
    assert len(seen) == calls + 1
    assert engine.diarize(sample_wav) == before  # as good as new


def test_canceling_works_to_the_last_step(engine: Diarizer, sample_wav: Path) -> None:
    for stage in ("clustering", "labelling"):
        with pytest.raises(Canceled):
            engine.diarize(sample_wav, on_progress=lambda p, s=stage: p.stage != s)  # type: ignore[misc]


def test_a_short_recording_is_canceled_on_the_way(engine: Diarizer, sample_wav: Path) -> None:
    seen: list[Progress] = []

    def stop(progress: Progress) -> bool:
        seen.append(progress)
        return progress.fraction < 0.3

    with pytest.raises(Canceled):
        engine.diarize(sample_wav, on_progress=stop)
    assert seen[-1].stage == "analysing"
    assert 0.3 <= seen[-1].fraction < 0.9


def test_only_false_cancels(engine: Diarizer, sample_wav: Path) -> None:
    assert len(engine.diarize(sample_wav, on_progress=lambda _: None)) > 3


def test_an_error_in_the_callback_comes_through(engine: Diarizer, sample_wav: Path) -> None:
    def broken(progress: Progress) -> None:
        raise LookupError(progress.stage)

    with pytest.raises(LookupError, match="analysing"):
        engine.diarize(sample_wav, on_progress=broken)
    assert len(engine.diarize(sample_wav)) > 3

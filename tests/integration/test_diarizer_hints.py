"""Speaker counts that the caller knows, and options that make no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.diarization import Diarizer
from earmark.errors import InvalidOption
from engine import diarizer, samples, wav_file


@pytest.fixture(scope="module")
def engine(models_dir: Path) -> Diarizer:
    return diarizer(models_dir)


@pytest.mark.parametrize("speakers", [1, 2, 3, 4, 5])
def test_an_exact_count_is_kept_to(engine: Diarizer, sample_wav: Path, speakers: int) -> None:
    found = engine.diarize(sample_wav, speakers=speakers)
    assert found.speakers == tuple(f"SPEAKER_{k:02d}" for k in range(speakers))
    assert found.warnings == ()
    assert set(found.voiceprints) == set(found.speakers)


@pytest.mark.parametrize(
    ("least", "most", "expected"), [(3, None, 3), (None, 1, 1), (1, 8, 2), (2, 2, 2), (4, 6, 4)]
)
def test_limits_are_kept_to(
    engine: Diarizer, sample_wav: Path, least: int | None, most: int | None, expected: int
) -> None:
    found = engine.diarize(sample_wav, min_speakers=least, max_speakers=most)
    assert len(found.speakers) == expected
    assert found.warnings == ()


def test_a_count_that_cannot_be_is_told(engine: Diarizer, sample_wav: Path) -> None:
    short = wav_file(samples(sample_wav)[11 * 16_000 : 13 * 16_000])
    found = engine.diarize(short, speakers=7)
    assert 1 <= len(found.speakers) < 7
    assert found.warnings == (
        f"There should be 7 speakers, but speech of {len(found.speakers)} was found.",
    )


def test_silence_has_nobody_to_count(engine: Diarizer) -> None:
    silence = wav_file(np.zeros(80_000))
    found = engine.diarize(silence, speakers=1)
    assert found.speakers == ()
    assert found.warnings == ("There should be 1 speaker, but speech of 0 was found.",)
    assert engine.diarize(silence).warnings == ()
    assert engine.diarize(silence, max_speakers=3).warnings == ()


def test_a_count_holds_for_each_channel(engine: Diarizer, sample_wav: Path) -> None:
    sound = samples(sample_wav)
    stereo = wav_file(sound, np.zeros(len(sound)))
    found = engine.diarize(stereo, channels="split", min_speakers=2)
    assert found.speakers == ("CH0_SPEAKER_00", "CH0_SPEAKER_01")
    assert found.warnings == (
        "There should be at least 2 speakers, but speech of 0 was found on channel 1.",
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"speakers": 0}, "speakers is a whole number from 1 up, not 0"),
        ({"speakers": -3}, "not -3"),
        ({"min_speakers": 0}, "min_speakers .* not 0"),
        ({"max_speakers": 2.5}, r"max_speakers .* not 2\.5"),
        ({"speakers": True}, "not True"),
        ({"speakers": "two"}, "not 'two'"),
        ({"speakers": float("nan")}, "not nan"),
        ({"speakers": float("inf")}, "not inf"),
        ({"speakers": 2, "max_speakers": 3}, "leave min_speakers and max_speakers out"),
        ({"min_speakers": 4, "max_speakers": 3}, "min_speakers 4 is more than max_speakers 3"),
        ({"channels": "left"}, "left"),
        ({"channels": [0, 9]}, "9"),
        ({"start": -2.5}, r"-2\.5"),
        ({"start": 5.0, "end": 4.0}, r"5\.0.*4\.0|4\.0.*5\.0"),
        ({"on_damage": "ignore"}, "ignore"),
    ],
)
def test_a_bad_option_is_named(
    engine: Diarizer, sample_wav: Path, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidOption, match=named):
        engine.diarize(sample_wav, **options)


def test_a_count_may_be_numpy_s(engine: Diarizer, sample_wav: Path) -> None:
    assert len(engine.diarize(sample_wav, speakers=int(np.int64(1))).speakers) == 1
    assert len(engine.diarize(sample_wav, max_speakers=np.int16(1)).speakers) == 1  # type: ignore[arg-type]

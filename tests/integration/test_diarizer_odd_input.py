"""Recordings with next to nothing in them, and lengths at every edge."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.diarization import Diarization, Diarizer
from earmark.errors import DamagedAudio, EmptyAudio
from engine import diarizer, samples, wav_file

Double = NDArray[np.float64]

RATE = 16_000


@pytest.fixture(scope="module", params=[False, True], ids=["accurate", "fast"])
def engine(request: pytest.FixtureRequest, models_dir: Path) -> Diarizer:
    return diarizer(models_dir, fast=request.param)


def time(seconds: float) -> Double:
    return np.arange(round(seconds * RATE)) / RATE


def noise(seconds: float, level: float = 0.1) -> Double:
    return np.random.default_rng(3).normal(0, level, round(seconds * RATE))


SOUNDS: dict[str, Callable[[], Double]] = {
    "digital silence": lambda: 0 * time(12),
    "a constant": lambda: 0 * time(12) + 0.4,
    "full scale": lambda: 0 * time(5) - 1,
    "white noise": lambda: noise(12),
    "brown noise": lambda: np.cumsum(noise(12, 0.003)) % 1.0 - 0.5,
    "faint noise": lambda: noise(12, 2e-4),
    "a tone": lambda: 0.5 * np.sin(2 * np.pi * 440 * time(12)),
    "a square wave": lambda: np.sign(np.sin(2 * np.pi * 200 * time(6))),
    "clicks": lambda: (time(12) % 0.5 == 0) * 0.9,
    "a sweep": lambda: 0.3 * np.sin(2 * np.pi * 300 * time(12) ** 2),
}


def assert_sound(result: Diarization, seconds: float) -> None:
    """Valid in every form, whatever was found."""
    assert result.duration == pytest.approx(seconds, abs=0.001)
    for turn in (*result.turns, *result.exclusive):
        assert 0 <= turn.start < turn.end <= result.duration
    assert result.speakers == tuple(f"SPEAKER_{k:02d}" for k in range(len(result.speakers)))
    assert set(result.voiceprints) <= set(result.speakers)
    frames = result.confidence
    assert frames is not None
    assert np.isfinite(frames.values).all()
    assert frames.values.shape[1] >= 1
    assert frames.values.shape[1] <= math.ceil(seconds / frames.step) + 1
    document = json.loads(result.to_json(frame_confidence=True))
    assert len(document["turns"]) == len(result)
    assert Diarization.from_json(result.to_json()) == replace(result, confidence=None)
    rttm = result.to_rttm()
    assert rttm.count("\n") == len(result)
    assert result.to_vtt().startswith("WEBVTT")
    assert result.to_csv().count("\n") == len(result) + 1
    assert result.to_audacity().count("\n") == len(result)
    assert result.to_srt().count(" --> ") == len(result)
    assert "IntervalTier" in result.to_textgrid() or not result.speakers


@pytest.mark.parametrize("name", SOUNDS)
def test_what_is_no_speech_has_no_turns(engine: Diarizer, name: str) -> None:
    sound = SOUNDS[name]()
    result = engine.diarize(wav_file(sound))
    assert_sound(result, len(sound) / RATE)
    assert result.turns == result.exclusive == ()
    assert result.speakers == ()
    assert result.warnings == ()


@pytest.mark.parametrize(
    "seconds", [1 / RATE, 2 / RATE, 0.01, 0.1, 0.5, 1.0, 3.0, 9.99, 10.0, 10.01, 12.5]
)
def test_a_short_clip_is_heard_to_its_end(
    engine: Diarizer, sample_wav: Path, seconds: float
) -> None:
    sound = samples(sample_wav)[round(10.5 * RATE) :][: round(seconds * RATE)]
    result = engine.diarize(wav_file(sound))
    assert_sound(result, len(sound) / RATE)
    if seconds >= 0.5:
        assert len(result.turns) >= 1
        assert len(result.speakers) in (1, 2)
        assert max(turn.end for turn in result) > seconds - 0.1
    if seconds >= 3:
        assert result.voiceprints
    if seconds <= 0.01:
        assert result.turns == ()


def test_clipped_speech_is_speech(engine: Diarizer, sample_wav: Path) -> None:
    loud = np.clip(samples(sample_wav)[7 * RATE : 19 * RATE] * 60, -1, 1)
    result = engine.diarize(wav_file(loud))
    assert_sound(result, 12.0)
    assert sum(turn.duration for turn in result.exclusive) > 9


def test_speech_on_a_constant_is_speech(engine: Diarizer, sample_wav: Path) -> None:
    shifted = samples(sample_wav)[7 * RATE : 19 * RATE] * 0.5 + 0.4
    result = engine.diarize(wav_file(shifted))
    assert_sound(result, 12.0)
    assert sum(turn.duration for turn in result.exclusive) > 9


def test_speech_between_silences_is_found_where_it_is(engine: Diarizer, sample_wav: Path) -> None:
    speech = samples(sample_wav)[11 * RATE : 14 * RATE]
    sound = np.concatenate([0 * time(79.7), speech, 0 * time(40.0), speech])
    result = engine.diarize(wav_file(sound))
    assert_sound(result, len(sound) / RATE)
    assert len(result.speakers) == 1
    spans = [(79.7, 82.7), (122.7, 125.7)]
    assert sum(turn.duration for turn in result) == pytest.approx(6.0, abs=0.6)
    for turn in result:
        assert any(start - 0.25 < turn.start and turn.end < end + 0.25 for start, end in spans)


def test_nothing_at_all_is_an_error(engine: Diarizer) -> None:
    with pytest.raises(EmptyAudio):
        engine.diarize(wav_file(np.zeros(0)))
    with pytest.raises(EmptyAudio):
        engine.diarize(b"")


def test_a_damaged_file_gives_what_could_be_read(engine: Diarizer, sample_wav: Path) -> None:
    data = sample_wav.read_bytes()
    cut = data[: len(data) // 2]
    with pytest.raises(DamagedAudio) as raised:
        engine.diarize(cut)
    assert raised.value.readable_s == pytest.approx(15.0, abs=0.1)
    result = engine.diarize(cut, on_damage="warn")
    assert len(result.turns) >= 1
    assert max(turn.end for turn in result) > 14.5
    assert result.duration == pytest.approx(15.0, abs=0.1)
    assert "is damaged at" in result.warnings[0]

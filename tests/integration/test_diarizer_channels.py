"""Channels mixed, split, or picked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark.audio import read_audio
from earmark.diarization import Diarization, Diarizer, Turn
from engine import diarizer, samples, wav_file


@pytest.fixture(scope="module")
def engine(models_dir: Path) -> Diarizer:
    return diarizer(models_dir, fast=True)


@pytest.fixture(scope="module")
def halves(sample_wav: Path) -> tuple[bytes, bytes]:
    """Two stretches of the call, of 11 s each."""
    sound = samples(sample_wav)
    return wav_file(sound[6 * 16_000 : 17 * 16_000]), wav_file(sound[18 * 16_000 : 29 * 16_000])


@pytest.fixture(scope="module")
def stereo(sample_wav: Path) -> bytes:
    """The same stretches, one in each channel."""
    sound = samples(sample_wav)
    return wav_file(sound[6 * 16_000 : 17 * 16_000], sound[18 * 16_000 : 29 * 16_000])


@pytest.fixture(scope="module")
def split(engine: Diarizer, stereo: bytes) -> Diarization:
    return engine.diarize(stereo, channels="split")


def rows(turns: tuple[Turn, ...], channel: int | None) -> list[tuple[float, float, str]]:
    return [(t.start, t.end, t.speaker[-2:]) for t in turns if t.channel == channel]


def test_split_channels_that_do_not_hear_each_other_are_as_if_alone(
    engine: Diarizer, halves: tuple[bytes, bytes]
) -> None:
    """One after the other, so that nothing is taken for crosstalk."""
    first, second = (read_audio(half)[0] for half in halves)
    pause = np.zeros(16_000, np.float32)
    long = len(pause) + len(second)
    stereo = wav_file(
        np.concatenate([first, np.zeros(long, np.float32)]),
        np.concatenate([np.zeros(len(first) + len(pause), np.float32), second]),
    )
    split = engine.diarize(stereo, channels="split")
    alone = engine.diarize(wav_file(np.concatenate([first, np.zeros(long, np.float32)])))
    assert {turn.channel for turn in split} == {0, 1}
    assert rows(split.turns, 0) == rows(alone.turns, None)
    assert rows(split.exclusive, 0) == rows(alone.exclusive, None)
    for name, voiceprint in alone.voiceprints.items():
        assert split.voiceprints[f"CH0_{name}"] == voiceprint


def test_split_speakers_are_named_by_channel(split: Diarization) -> None:
    for turn in split:
        assert turn.speaker.startswith(f"CH{turn.channel}_SPEAKER_0")
    assert list(split.turns) == sorted(split.turns)


def test_split_confidence_has_a_row_per_channel(split: Diarization) -> None:
    assert split.confidence is not None
    assert split.confidence.values.shape[0] == 2
    assert (split.confidence.values[0] != split.confidence.values[1]).any()


def test_a_picked_channel_is_that_channel(engine: Diarizer, stereo: bytes) -> None:
    picked = engine.diarize(stereo, channels=[1])
    alone = engine.diarize(wav_file(read_audio(stereo, channels=[1])[0]))
    assert {turn.channel for turn in picked} == {1}
    assert rows(picked.turns, 1) == rows(alone.turns, None)
    assert picked.speakers[0] == "CH1_SPEAKER_00"
    assert picked.confidence is not None
    assert picked.confidence.values.shape[0] == 1


def test_a_mix_has_no_channels(engine: Diarizer, stereo: bytes) -> None:
    mixed = engine.diarize(stereo)
    assert len(mixed) > 0
    assert {turn.channel for turn in mixed} == {None}
    assert mixed.speakers[0] == "SPEAKER_00"
    assert mixed != engine.diarize(stereo, channels=[0])


def test_split_exports_keep_the_channels(split: Diarization) -> None:
    again = Diarization.from_json(split.to_json())
    assert again.turns == split.turns
    channels = {line.split()[2] for line in split.to_rttm().splitlines()}
    assert len(channels) == 2

"""Channels mixed, split, or picked."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_split_channels_are_as_if_each_were_alone(
    engine: Diarizer, halves: tuple[bytes, bytes], split: Diarization
) -> None:
    assert {turn.channel for turn in split} == {0, 1}
    for channel, half in enumerate(halves):
        alone = engine.diarize(half)
        assert rows(split.turns, channel) == rows(alone.turns, None)
        assert rows(split.exclusive, channel) == rows(alone.exclusive, None)
        for name, voiceprint in alone.voiceprints.items():
            assert split.voiceprints[f"CH{channel}_{name}"] == voiceprint


def test_split_speakers_are_named_by_channel(split: Diarization) -> None:
    for turn in split:
        assert turn.speaker.startswith(f"CH{turn.channel}_SPEAKER_0")
    assert list(split.turns) == sorted(split.turns)


def test_split_confidence_has_a_row_per_channel(split: Diarization) -> None:
    assert split.confidence is not None
    assert split.confidence.values.shape[0] == 2
    assert (split.confidence.values[0] != split.confidence.values[1]).any()


def test_a_picked_channel_is_that_channel(
    engine: Diarizer, stereo: bytes, split: Diarization
) -> None:
    picked = engine.diarize(stereo, channels=[1])
    assert picked.turns == tuple(turn for turn in split if turn.channel == 1)
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

"""Diarizing what another process decodes: the same answer to the last letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.audio import open_audio, open_isolated
from earmark.diarization import Diarizer
from earmark.errors import Canceled, DamagedAudio, InvalidOption
from engine import diarizer, samples, settings, wav_file


@pytest.fixture(scope="module")
def engine(models_dir: Path) -> Diarizer:
    return diarizer(models_dir)


@pytest.fixture(scope="module")
def stereo(sample_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The call on one channel, and on the other one the same a little later."""
    sound = samples(sample_wav)
    path = tmp_path_factory.mktemp("sound") / "call.wav"
    path.write_bytes(wav_file(sound, np.roll(sound, 48_000)))
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"channels": "split"},
        {"channels": "split", "start": 7.5, "end": 21.25},
        {"channels": [1], "start": 12.0},
    ],
)
def test_isolated_is_the_same(
    engine: Diarizer, stereo: Path, models_dir: Path, options: dict[str, Any]
) -> None:
    expected = engine.diarize(stereo, **options)
    with open_isolated(stereo, settings=settings(models_dir), **options) as audio:
        found = engine.diarize_stream(audio, uri="call")
    assert found.to_json(frame_confidence=True) == expected.to_json(frame_confidence=True)
    speech = engine.detect_speech(stereo, **options)
    with open_isolated(stereo, settings=settings(models_dir), **options) as audio:
        assert engine.detect_speech_stream(audio, uri="call").to_json() == speech.to_json()


def test_a_stream_takes_the_hints(engine: Diarizer, sample_wav: Path) -> None:
    with open_audio(sample_wav) as audio:
        found = engine.diarize_stream(audio, speakers=3)
    assert len(found.speakers) == 3
    assert found.uri is None
    with open_audio(sample_wav) as audio, pytest.raises(InvalidOption):
        engine.diarize_stream(audio, speakers=0)


def test_warnings_of_the_stream_are_in_the_result(
    engine: Diarizer, stereo: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.wav"
    cut.write_bytes(stereo.read_bytes()[:-50_000])
    with open_isolated(cut, on_damage="warn") as audio:
        found = engine.diarize_stream(audio)
    assert "cut.wav is damaged at" in found.warnings[0]
    assert found.warnings == engine.diarize(cut, on_damage="warn").warnings
    with open_isolated(cut) as audio, pytest.raises(DamagedAudio):
        engine.diarize_stream(audio)


def test_canceling_leaves_the_stream_to_its_owner(engine: Diarizer, sample_wav: Path) -> None:
    with open_isolated(sample_wav) as audio, pytest.raises(Canceled):
        engine.diarize_stream(audio, on_progress=lambda _: False)
    assert list(audio) == []

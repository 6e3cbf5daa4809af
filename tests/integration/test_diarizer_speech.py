"""Where somebody speaks, without who: what diarization decides, at half the cost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.diarization import Diarizer, Progress, SpeechActivity
from earmark.diarization._analysis import Analysis
from earmark.diarization._evidence import Evidence
from earmark.diarization._parameters import ACCURATE
from earmark.errors import Canceled, EmptyAudio
from engine import diarizer, models, samples, wav_file

Segments = tuple[tuple[float, float], ...]


@pytest.fixture(scope="module", params=[False, True], ids=["accurate", "fast"])
def engine(request: pytest.FixtureRequest, models_dir: Path) -> Diarizer:
    return diarizer(models_dir, fast=request.param)


@pytest.fixture(scope="module")
def result(engine: Diarizer, sample_wav: Path) -> SpeechActivity:
    return engine.detect_speech(sample_wav)


def united(segments: list[tuple[float, float]]) -> list[list[float]]:
    found: list[list[float]] = []
    for start, end in sorted(segments):
        if found and start <= found[-1][1]:
            found[-1][1] = max(found[-1][1], end)
        else:
            found.append([start, end])
    return found


def shared(one: Segments, other: Segments) -> float:
    """Seconds that lie in both."""
    pairs = ((a, b) for a in one for b in other)
    return sum(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for a, b in pairs)


def test_it_is_what_diarization_calls_speech(
    engine: Diarizer, sample_wav: Path, result: SpeechActivity
) -> None:
    turns = united([(turn.start, turn.end) for turn in engine.diarize(sample_wav)])
    (found,) = result.channels
    talk: Segments = tuple((a, b) for a, b in turns)
    both = shared(found.segments, talk)
    # Speakers' own flicker may be taken out between two of them.
    assert sum(b - a for a, b in talk) == pytest.approx(both, abs=0.002)
    assert found.speech_s == pytest.approx(both, abs=0.25)
    assert 20 < found.speech_s < 26


def test_the_evidence_for_speech_is_the_same_without_voices(
    models_dir: Path, sample_wav: Path
) -> None:
    loaded, sound = models(models_dir), samples(sample_wav)
    found: list[Evidence] = []
    with ThreadPoolExecutor(2) as executor:
        for networks, voices in ((loaded, True), (loaded.of_speech(), False)):
            analysis = Analysis(networks, ACCURATE, executor, voices=voices)
            analysis.push(sound)
            found.append(analysis.finish())
    for name in ("speech", "overlap", "depth", "level", "scores"):
        one, other = (getattr(each, name).tobytes() for each in found)
        assert one == other, name
    assert len(found[1].unit_window) == len(found[1].cell) == 0


def test_the_result_says_what_made_it(engine: Diarizer, result: SpeechActivity) -> None:
    assert result.uri == "sample"
    assert (result.start_s, result.duration, result.end_s) == (0.0, 30.0, 30.0)
    assert set(result.models) == {
        "fbank",
        "segmentation-filters",
        "segmentation-body-int8",
        "campplus-trunk-int8",
    }
    assert result.settings["window_step"] in (148, 296)
    assert SpeechActivity.from_json(result.to_json()) == result
    assert result.to_rttm().count("SPEAKER sample 1 ") == len(result.channels[0].segments)


def test_again_is_the_same(engine: Diarizer, sample_wav: Path, result: SpeechActivity) -> None:
    assert engine.detect_speech(sample_wav).to_json() == result.to_json()


def test_every_channel_is_there(engine: Diarizer, sample_wav: Path, result: SpeechActivity) -> None:
    sound = samples(sample_wav)
    data = wav_file(np.zeros_like(sound), sound * 0.1, sound)
    found = engine.detect_speech(data, channels="split")
    assert [each.channel for each in found.channels] == [0, 1, 2]
    assert found.channels[0].segments == ()
    assert found.channels[0].speech_s == 0.0
    # By itself, what a channel faintly hears of another one is speech too.
    assert found.channels[1].speech_s == pytest.approx(found.channels[2].speech_s, abs=1.0)
    assert found.channels[2].segments == result.channels[0].segments
    (picked,) = engine.detect_speech(data, channels=[2]).channels
    assert picked == found.channels[2]


def test_a_part_keeps_the_time_line(engine: Diarizer, sample_wav: Path) -> None:
    part = engine.detect_speech(sample_wav, start=10.0, end=25.5)
    assert (part.start_s, part.duration, part.end_s) == (10.0, 15.5, 25.5)
    (found,) = part.channels
    assert found.segments[0][0] >= 10.0
    assert found.segments[-1][1] <= 25.5
    alone = engine.detect_speech(wav_file(samples(sample_wav)[160_000:408_000]))
    moved = tuple((round(a + 10, 3), round(b + 10, 3)) for a, b in alone.channels[0].segments)
    assert found.segments == moved


@pytest.mark.parametrize("sound", [np.zeros(80_000), np.full(300, 0.1), np.zeros(1)])
def test_silence_and_next_to_nothing(engine: Diarizer, sound: NDArray[np.float64]) -> None:
    found = engine.detect_speech(wav_file(sound))
    assert found.channels[0].segments == ()
    assert found.duration == pytest.approx(len(sound) / 16_000, abs=0.001)
    with pytest.raises(EmptyAudio):
        engine.detect_speech(wav_file(np.zeros(0)))


def test_progress_and_canceling(engine: Diarizer, sample_wav: Path) -> None:
    seen: list[Progress] = []
    engine.detect_speech(sample_wav, on_progress=seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    with pytest.raises(Canceled):
        engine.detect_speech(sample_wav, on_progress=lambda progress: progress.fraction < 0.3)

"""A telephone call between two people, start to end: who, when, and the same every time."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from earmark.bench import score
from earmark.diarization import Diarization, Diarizer
from engine import diarizer, samples, settings, wav_file


@pytest.fixture(scope="module")
def engine(models_dir: Path) -> Diarizer:
    return diarizer(models_dir)


@pytest.fixture(scope="module")
def result(engine: Diarizer, sample_wav: Path) -> Diarization:
    return engine.diarize(sample_wav)


@pytest.fixture(scope="module")
def reference(sample_rttm: Path) -> Diarization:
    return Diarization.from_rttm(sample_rttm)


def document(result: Diarization) -> str:
    """All of a result but what the recording is called."""
    return replace(result, uri=None).to_json(frame_confidence=True)


def test_two_people_are_told_apart(result: Diarization, reference: Diarization) -> None:
    figures = score(reference.turns, result.turns, regions=[(0.0, 30.0)])
    assert figures.exact == 1
    assert figures.strict.rate < 0.15
    assert figures.lenient.rate < 0.06


def test_fast_mode_tells_them_apart_too(
    models_dir: Path, sample_wav: Path, reference: Diarization
) -> None:
    fast = diarizer(models_dir, fast=True).diarize(sample_wav)
    figures = score(reference.turns, fast.turns, regions=[(0.0, 30.0)])
    assert (figures.exact, figures.strict.rate < 0.18) == (1, True)
    assert fast.voiceprints["SPEAKER_00"].model == "diarization-fast-1"


def test_turns_are_in_order_within_the_recording(result: Diarization) -> None:
    assert result.duration == 30.0
    assert result.start_s == 0.0
    assert list(result.turns) == sorted(result.turns)
    for turn in (*result.turns, *result.exclusive):
        assert 0 <= turn.start < turn.end <= 30.0
        assert turn.duration >= 0.001
        assert turn.channel is None
    assert result.speakers == ("SPEAKER_00", "SPEAKER_01")


def test_overlap_is_found_and_taken_out_of_the_exclusive_turns(result: Diarization) -> None:
    assert result.chart().overlap > 1
    assert sum(turn.duration for turn in result.exclusive) < sum(t.duration for t in result.turns)
    for turn in result.exclusive:
        assert any(
            whole.speaker == turn.speaker and whole.start <= turn.start and turn.end <= whole.end
            for whole in result.turns
        )


def test_confidence_is_known_by_turn_and_by_frame(result: Diarization) -> None:
    assert all(turn.confidence is not None and 0 <= turn.confidence <= 1 for turn in result)
    frames = result.confidence
    assert frames is not None
    channels, count = frames.values.shape
    assert channels == 1
    assert frames.start + count * frames.step == pytest.approx(30.0, abs=0.05)
    assert 0 <= frames.values.min() < frames.values.max() <= 1
    for turn in result.turns:
        first, last = (round((t - frames.start) / frames.step) for t in (turn.start, turn.end))
        mean = frames.values[0, max(0, first) : last].mean()
        # One person being right is likelier than everybody in the frame.
        assert turn.confidence is not None
        assert mean - 0.02 < turn.confidence < mean + 0.35


def test_voices_are_known(result: Diarization) -> None:
    one, other = (result.voiceprints[name] for name in result.speakers)
    assert one.model == other.model == "diarization-1"
    assert 8 < one.net_speech_s < 16
    assert 8 < other.net_speech_s < 16
    assert one.vector @ other.vector < 0.7
    assert set(result.models) == {
        "fbank",
        "segmentation-filters",
        "segmentation-body-int8",
        "campplus-trunk-int8",
        "campplus-head",
        "wespeaker-trunk-int8",
        "wespeaker-head",
    }


def test_again_is_the_same(engine: Diarizer, sample_wav: Path, result: Diarization) -> None:
    assert engine.diarize(sample_wav).to_json() == result.to_json()


def test_a_path_bytes_and_a_file_are_the_same(
    engine: Diarizer, sample_wav: Path, result: Diarization
) -> None:
    data = sample_wav.read_bytes()
    assert result.uri == sample_wav.stem
    assert engine.diarize(str(sample_wav)).to_json() == result.to_json()
    for source in (data, io.BytesIO(data)):
        found = engine.diarize(source)
        assert found.uri is None
        assert document(found) == document(result)


def test_threads_change_nothing(models_dir: Path, sample_wav: Path, result: Diarization) -> None:
    for threads in (1, 4):
        with Diarizer(settings=settings(models_dir, threads)) as other:
            assert document(other.diarize(sample_wav)) == document(result)


@pytest.mark.parametrize(("blas", "threads"), [("1", "4"), ("4", "1")])
def test_another_process_finds_the_same(
    blas: str, threads: str, models_dir: Path, sample_wav: Path, result: Diarization
) -> None:
    script = (
        "import sys, earmark;"
        "result = earmark.diarize(sys.argv[1]);"
        "sys.stdout.buffer.write(result.to_json(frame_confidence=True).encode())"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(sample_wav)],
        env=os.environ
        | {
            "OPENBLAS_NUM_THREADS": blas,
            "EARMARK_THREADS": threads,
            "EARMARK_MODELS_DIR": str(models_dir),
            "EARMARK_OFFLINE": "1",
        },
        capture_output=True,
        check=True,
    )
    assert found.stdout.decode() == result.to_json(frame_confidence=True)


def test_many_threads_share_a_diarizer(
    engine: Diarizer, sample_wav: Path, result: Diarization
) -> None:
    sound = samples(sample_wav)
    sources = [sample_wav.read_bytes(), wav_file(sound[7 * 16_000 : 17 * 16_000])] * 2
    alone = [document(engine.diarize(source)) for source in sources[:2]]
    assert alone[0] == document(result)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda source: document(engine.diarize(source)), sources))
    assert together == alone * 2


def test_a_part_keeps_the_recording_s_time_line(
    engine: Diarizer, sample_wav: Path, reference: Diarization
) -> None:
    part = engine.diarize(sample_wav, start=10.0, end=25.5)
    assert (part.start_s, part.duration, part.end_s) == (10.0, 15.5, 25.5)
    for turn in (*part.turns, *part.exclusive):
        assert 10.0 <= turn.start < turn.end <= 25.5
    figures = score(reference.turns, part.turns, regions=[(10.0, 25.5)])
    assert figures.strict.rate < 0.2
    assert part.confidence is not None
    assert part.confidence.start == pytest.approx(10.0, abs=0.05)
    alone = engine.diarize(wav_file(samples(sample_wav)[160_000:408_000]))
    assert [t.start for t in part] == [round(t.start + 10.0, 3) for t in alone]
    assert [t.speaker for t in part] == [t.speaker for t in alone]


def test_gain_changes_nothing_but_details(
    engine: Diarizer, sample_wav: Path, reference: Diarization
) -> None:
    quiet = engine.diarize(wav_file(samples(sample_wav) * 0.1))
    figures = score(reference.turns, quiet.turns, regions=[(0.0, 30.0)])
    assert (figures.exact, figures.strict.rate < 0.15) == (1, True)


def test_a_closed_diarizer_is_of_no_more_use(models_dir: Path, sample_wav: Path) -> None:
    with Diarizer(settings=settings(models_dir, 2), fast=True) as engine:
        assert len(engine.diarize(sample_wav)) > 3
    with pytest.raises(RuntimeError):
        engine.diarize(sample_wav)


def test_two_channels_that_are_the_same_are_one_when_mixed(
    engine: Diarizer, sample_wav: Path, result: Diarization
) -> None:
    sound = samples(sample_wav)
    assert document(engine.diarize(wav_file(sound, sound))) == document(result)

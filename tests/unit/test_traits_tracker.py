"""Traits of real sound, as it comes in."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.audio import open_audio
from earmark.errors import InvalidOption
from earmark.models import answer_alone
from earmark.traits import (
    TraitKind,
    TraitModels,
    TraitOptions,
    TraitReport,
    TraitTracker,
    read_gender,
)
from people import RATE, People

Float = NDArray[np.float32]
KINDS = tuple(TraitKind)


@pytest.fixture(scope="module")
def models(models_dir: object) -> TraitModels:
    return TraitModels.load()


@pytest.fixture(scope="module")
def sound(people: People) -> Float:
    """Six seconds of a woman, two of noise, two of nothing."""
    import soxr

    voice = people.samples("june", 6.0).astype(np.float32) / np.float32(32768)
    voice = soxr.resample(voice, RATE, 16_000).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.02, 32_000).astype(np.float32)
    return np.concatenate([voice, noise, np.zeros(32_000, np.float32)])


def track(
    models: TraitModels, sound: Float, options: TraitOptions, *, chunk: int = 4000
) -> list[TraitReport]:
    tracker, reports = TraitTracker(models, options), []
    for start in range(0, len(sound), chunk):
        reports += answer_alone(tracker.step(sound[start : start + chunk]), models.networks)
    return reports + answer_alone(tracker.finish(), models.networks)


def results(reports: list[TraitReport], kind: TraitKind) -> list[str]:
    return [report.traits[kind].result for report in reports]


def test_speech_noise_and_silence_are_told_apart(models: TraitModels, sound: Float) -> None:
    reports = track(models, sound, TraitOptions(kinds=KINDS))
    assert [report.start for report in reports] == pytest.approx([i * 1.024 for i in range(10)])
    assert reports[-1].end == 10.0
    for kind in (TraitKind.SPEECH, TraitKind.SPEECH_RT):
        found = results(reports, kind)
        assert found[:5].count("speech") >= 4
        assert found[6] == "other"
        assert found[8:] == ["silence", "silence"]
    assert reports[9].traits[TraitKind.GENDER].result == "silence"
    assert reports[9].volume == 0


def test_any_chunks_give_the_same_reports(models: TraitModels, sound: Float) -> None:
    options = TraitOptions(kinds=KINDS, period_s=0.64)
    part = sound[:50_000]
    assert track(models, part, options, chunk=777) == track(models, part, options, chunk=16_001)


def test_a_report_in_real_time_comes_with_the_end_of_its_period(
    models: TraitModels, sound: Float
) -> None:
    options = TraitOptions(kinds=(TraitKind.SPEECH_RT,), period_s=0.064)
    tracker, heard = TraitTracker(models, options), 0
    for start in range(0, 32_000, 1024):
        heard += 1024
        for report in answer_alone(tracker.step(sound[start:heard]), models.networks):
            assert heard / 16_000 - report.end <= 0.128


def test_a_flush_tells_all_that_is_over(models: TraitModels, sound: Float) -> None:
    tracker = TraitTracker(models, TraitOptions(kinds=KINDS))
    reports = answer_alone(tracker.step(sound[:50_000]), models.networks)
    reports += answer_alone(tracker.flush(), models.networks)
    assert len(reports) == 3  # 3.072 of 3.125 s


def test_what_is_less_loud_than_asked_is_silence(models: TraitModels, sound: Float) -> None:
    options = TraitOptions(kinds=KINDS, volume_least=1.0)
    for report in track(models, sound[:40_000], options):
        assert {trait.result for trait in report.traits.values()} == {"silence"}


@pytest.mark.parametrize("kind", KINDS)
def test_state_does_not_grow(models: TraitModels, sound: Float, kind: TraitKind) -> None:
    tracker = TraitTracker(models, TraitOptions(kinds=(kind,)))
    kept = []
    for _ in range(6):
        answer_alone(tracker.step(sound[80_000:112_768]), models.networks)  # two looks at a voice
        lines = [tracker._samples, tracker._energy, tracker._instant, tracker._settled]
        kept.append([len(line._rows) for line in lines] + [len(tracker._genders)])
    assert np.all(np.array(kept[5]) < 1.1 * np.array(kept[2]) + 1)  # not in proportion


@pytest.mark.parametrize(
    ("name", "results"),
    [("allison", {"female"}), ("ira", {"female"}), ("june", {"female", "unknown"})],
)
def test_gender_of_a_recording(
    models: TraitModels, people: People, name: str, results: set[str]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as executor, open_audio(people.wav(name, 8.0)) as audio:
        (channel,) = read_gender(models, audio, speech_s=4.0, executor=executor).channels
    assert channel.gender is not None
    assert channel.gender.result in results
    assert 4.0 <= channel.speech_s < 5.1


def test_nothing_is_too_little_to_tell(models: TraitModels) -> None:
    tracker = TraitTracker(models, TraitOptions(kinds=KINDS))
    assert answer_alone(tracker.finish(), models.networks) == []


@pytest.mark.parametrize("period", [0.0, 0.05, 61.0, float("nan")])
def test_periods_that_make_no_sense_are_refused(period: float) -> None:
    with pytest.raises(InvalidOption):
        TraitOptions(kinds=KINDS, period_s=period)

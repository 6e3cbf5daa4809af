"""Voiceprints of the speakers of a recording, and the one voice of a recording of one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from earmark.audio import open_isolated
from earmark.diarization import Diarization, Diarizer, Progress, one_voice
from earmark.errors import Canceled, InvalidOption, SeveralSpeakers, TooLittleSpeech
from earmark.voiceprints import DEFAULT_MODEL
from engine import diarizer, settings
from people import PEOPLE, RATE, People, wav_of


@pytest.fixture(scope="module")
def engine(models_dir: Path) -> Diarizer:
    return diarizer(models_dir)


@pytest.fixture(scope="module")
def sample(engine: Diarizer, sample_wav: Path) -> Diarization:
    return engine.diarize(sample_wav, voiceprints=True)


def talk(people: People, *said: tuple[str, float]) -> bytes:
    """One after the other, with half a second between."""
    pause = np.zeros(RATE // 2, np.int16)
    parts = [
        part
        for i, (name, seconds) in enumerate(said)
        for part in (people.samples(name, seconds, part=i % 4), pause)
    ]
    return wav_of(np.concatenate(parts))


def test_each_speaker_has_one_and_nothing_else_changes(
    engine: Diarizer, sample: Diarization, sample_wav: Path
) -> None:
    plain = engine.diarize(sample_wav)
    assert list(sample.voiceprints) == list(sample.speakers)
    assert {each.model for each in sample.voiceprints.values()} == {DEFAULT_MODEL}
    assert sample.turns == plain.turns
    assert sample.models.items() > plain.models.items()
    assert {"campplus-trunk", "wespeaker-trunk"} <= set(sample.models)
    first, second = sample.voiceprints.values()
    assert first.cosine(second) < 0.5
    assert min(first.net_speech_s, second.net_speech_s) > 5


def test_they_are_the_same_however_the_recording_is_read(
    engine: Diarizer, sample: Diarization, sample_wav: Path, models_dir: Path
) -> None:
    data = sample_wav.read_bytes()
    file = io.BytesIO(b"before" + data)
    file.seek(6)
    assert engine.diarize(data, voiceprints=True).voiceprints == sample.voiceprints
    assert engine.diarize(file, voiceprints=True).voiceprints == sample.voiceprints
    with open_isolated(sample_wav, settings=settings(models_dir)) as audio:
        plain = engine.diarize_stream(audio)
    with open_isolated(sample_wav, settings=settings(models_dir)) as audio:
        assert engine.read_voices(audio, plain).voiceprints == sample.voiceprints
    fewer = diarizer(models_dir, threads=1)
    assert fewer.diarize(data, voiceprints=True).voiceprints == sample.voiceprints


def test_a_stream_that_cannot_be_read_again_is_refused_at_once(
    engine: Diarizer, sample_wav: Path
) -> None:
    class Pipe(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _: object) -> int:
            raise AssertionError("nothing is to be read")

    with pytest.raises(InvalidOption, match="read twice"):
        engine.diarize(Pipe(), voiceprints=True)


def test_channels_and_a_range_are_those_of_the_diarization(
    engine: Diarizer, people: People
) -> None:
    june, carlo = people.samples("june", 12.0), people.samples("carlo", 12.0)
    file = wav_of(np.stack([june, carlo], axis=1))
    split = engine.diarize(file, channels="split", start=2.0, voiceprints=True)
    assert set(split.voiceprints) == {"CH0_SPEAKER_00", "CH1_SPEAKER_00"}
    alone = engine.diarize(wav_of(june), start=2.0, voiceprints=True)
    other = engine.diarize(wav_of(carlo), start=2.0, voiceprints=True)
    assert split.voiceprints["CH0_SPEAKER_00"].cosine(alone.voiceprints["SPEAKER_00"]) > 0.98
    assert split.voiceprints["CH1_SPEAKER_00"].cosine(other.voiceprints["SPEAKER_00"]) > 0.98


def test_progress_ends_with_the_voiceprints(engine: Diarizer, sample_wav: Path) -> None:
    seen: list[Progress] = []
    engine.diarize(sample_wav, voiceprints=True, on_progress=seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages == ["analysing", "clustering", "labelling", "voiceprints"]
    with pytest.raises(Canceled):
        engine.diarize(sample_wav, voiceprints=True, on_progress=lambda p: p.stage != "voiceprints")


def test_a_recording_without_speech_has_none(engine: Diarizer) -> None:
    silent = engine.diarize(wav_of(np.zeros(5 * RATE, np.int16)), voiceprints=True)
    assert silent.voiceprints == {}
    with pytest.raises(TooLittleSpeech, match=r"There are 0\.0 s .* but 1\.0 s are needed"):
        one_voice(silent)


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("seconds", [2.0, 5.0, 20.0])
def test_one_person_is_one_voice(
    engine: Diarizer, people: People, name: str, seconds: float
) -> None:
    result = engine.diarize(people.wav(name, seconds), voiceprints=True)
    speaker, voiceprint = one_voice(result)
    assert speaker in result.speakers
    assert voiceprint.net_speech_s > 0.6 * seconds


@pytest.mark.parametrize(
    "said",
    [
        [("june", 10.0), ("carlo", 10.0)],
        [("june", 16.0), ("allison", 4.0)],
        [("ira", 8.0), ("carlo", 2.0)],
        [("allison", 5.0), ("june", 5.0), ("allison", 5.0)],
    ],
)
def test_two_people_are_not_one_voice(
    engine: Diarizer, people: People, said: list[tuple[str, float]]
) -> None:
    result = engine.diarize(talk(people, *said), voiceprints=True)
    with pytest.raises(SeveralSpeakers, match="somebody else's"):
        one_voice(result)
    name, seconds = max(said, key=lambda each: each[1])
    alone = engine.diarize(people.wav(name, seconds, part=3), voiceprints=True)
    _, loudest = one_voice(result, refuse_others=False)
    assert loudest.cosine(one_voice(alone)[1]) > 0.7


def test_two_people_whom_the_analysis_takes_for_one_are_not_one_voice(
    engine: Diarizer, people: People
) -> None:
    result = engine.diarize(
        talk(people, ("carlo", 6.0), ("ira", 6.0)), speakers=1, voiceprints=True
    )
    again = Diarization.from_json(result.to_json())
    for each in (result, again):
        with pytest.raises(SeveralSpeakers, match="sound like different voices"):
            one_voice(each)


def test_a_call_is_not_one_voice(sample: Diarization) -> None:
    with pytest.raises(SeveralSpeakers, match="of one person alone"):
        one_voice(sample)


def test_half_a_second_is_too_little(engine: Diarizer, people: People) -> None:
    said = np.concatenate([people.samples("carlo", 3.0)[RATE : 3 * RATE // 2], np.zeros(RATE * 2)])
    result = engine.diarize(wav_of(said.astype(np.int16)), voiceprints=True)
    with pytest.raises(TooLittleSpeech) as caught:
        one_voice(result)
    assert caught.value.needed_s == 1.0
    assert caught.value.net_speech_s < 0.9
    assert one_voice(engine.diarize(people.wav("carlo", 3.0), voiceprints=True), needed_s=1.5)

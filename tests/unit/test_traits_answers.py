"""Answers, documents and parts of traits that need no network."""

from __future__ import annotations

import json

import numpy as np
import pytest

from earmark.diarization import ChannelSpeech, SpeechActivity, Turn
from earmark.errors import ForeignVoiceprint, InvalidInput, InvalidOption
from earmark.service._engine_sound import _tagged, _told
from earmark.traits import (
    OFFERED,
    ChannelGender,
    ChannelTraits,
    Gender,
    Genders,
    SoundSpan,
    Trait,
    TraitKind,
    TraitOptions,
    TraitReport,
    TraitSeries,
    gender_of,
)
from earmark.traits._answers import gender_trait, shares, sound_trait
from earmark.traits._gender import mean_gender
from earmark.traits._line import Line
from earmark.traits._pitch import pitch
from earmark.voiceprints import DEFAULT_MODEL, DIMENSIONS, Voiceprint


def frames(speech: float, music: float, count: int = 50) -> np.ndarray:
    return shares(np.tile(np.array([[speech, music]], np.float32), (count, 1)))


class TestSound:
    @pytest.mark.parametrize(
        ("speech", "music", "volume", "result"),
        [
            (0.9, 0.0, 0.1, "speech"),
            (0.3, 0.0, 0.1, "speech"),  # the detector hesitates
            (0.9, 0.9, 0.1, "speech"),  # over music
            (0.0, 0.9, 0.1, "music"),
            (0.0, 0.0, 0.1, "other"),
            (0.0, 0.0, 0.0001, "silence"),
            (0.9, 0.0, 0.0001, "speech"),  # quiet, but somebody speaks
        ],
    )
    def test_result(self, speech: float, music: float, volume: float, result: str) -> None:
        trait = sound_trait(frames(speech, music), volume)
        assert trait.result == result
        assert sum(trait.raw.values()) == pytest.approx(1)

    def test_no_frames_are_silence(self) -> None:
        assert sound_trait(frames(0, 0, 0), 0.0) == Trait(result="silence", confidence=1.0)


class TestGender:
    @staticmethod
    def heard(llr: float) -> Gender:
        return Gender(llr=llr, speech_s=2.0, result="female")

    def test_probabilities_sum_to_one(self) -> None:
        assert self.heard(2.0).female + self.heard(2.0).male == pytest.approx(1)
        assert self.heard(2.0).female > 0.8

    def test_several_answers_are_one(self) -> None:
        assert mean_gender([self.heard(3.0), self.heard(4.0)]).result == "female"
        assert mean_gender([self.heard(-3.0), self.heard(-4.0)]).result == "male"
        assert mean_gender([self.heard(3.0), self.heard(-3.0)]).result == "unknown"

    def test_is_told_of_speech_only(self) -> None:
        known = [self.heard(4.0)]
        assert gender_trait(frames(0.9, 0), 0.1, known).result == "female"
        assert gender_trait(frames(0.9, 0), 0.1, []).result == "unknown"
        assert gender_trait(frames(0, 0.9), 0.1, known).result == "no_speech"
        assert gender_trait(frames(0, 0), 0.0, known).result == "silence"

    def test_voiceprints_of_other_models_are_refused(self) -> None:
        vector = np.ones(DIMENSIONS, np.float32)
        own = Voiceprint(vector=vector, model=DEFAULT_MODEL, net_speech_s=5.0)
        assert gender_of(own).speech_s == 5.0
        with pytest.raises(ForeignVoiceprint):
            gender_of(Voiceprint(vector=vector, model="other-1", net_speech_s=5.0))


class TestPitch:
    @pytest.mark.parametrize("hertz", [85.0, 120.0, 210.0, 250.0])
    def test_of_a_voice_without_its_fundamental(self, hertz: float) -> None:
        """As a telephone carries it: harmonics from 300 Hz on."""
        time = np.arange(16_000) / 16_000
        low = int(300 // hertz) + 1
        tones = [np.sin(2 * np.pi * hertz * k * time + k) for k in range(low, int(1500 / hertz))]
        found = pitch((0.1 * np.sum(tones, axis=0)).astype(np.float32))
        assert len(found) == 48
        assert np.median(found) == pytest.approx(hertz, rel=0.02)

    def test_of_a_lively_voice_whose_third_harmonic_is_strong(self) -> None:
        """As a man's first formant makes it over a telephone: no harmonic is taken for it."""
        time = np.arange(16_000) / 16_000
        phase = 2 * np.pi * np.cumsum(110 * (1 + 0.1 * np.sin(8 * np.pi * time))) / 16_000
        tones = [np.sin(3 * phase), *(0.1 * np.sin(k * phase + k) for k in range(4, 30))]
        found = pitch((0.1 * np.sum(tones, axis=0)).astype(np.float32))
        assert (found > 0).mean() > 0.4
        assert found.max() < 130

    def test_noise_and_silence_have_none(self) -> None:
        noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
        assert (pitch(noise) > 0).mean() < 0.2
        assert not pitch(np.zeros(16_000, np.float32)).any()
        assert not len(pitch(np.zeros(799, np.float32)))


def test_a_line_forgets_what_is_told_and_no_more() -> None:
    line = Line()
    line.append(np.arange(10, dtype=np.float32))
    line.forget(4)
    line.append(np.arange(10, 13, dtype=np.float32))
    assert line.end == 13
    assert line.cut(2, 6).tolist() == [4, 5]
    assert line.cut(11, 20).tolist() == [11, 12]
    line.forget(50)
    assert line.end == 13


class TestDocuments:
    def test_traits_come_back(self) -> None:
        trait = Trait(result="speech", confidence=0.75, raw={"speech": 0.75, "music": 0.25})
        report = TraitReport(
            start=0.0, end=1.024, volume=0.5, traits={TraitKind.SPEECH: trait}, speakers=0
        )
        series = TraitSeries(
            duration=1.5,
            period_s=1.024,
            kinds=(TraitKind.SPEECH,),
            channels=(ChannelTraits(channel=1, series=(report,)),),
            warnings=("Damaged.",),
        )
        assert TraitSeries.from_json(series.to_json()) == series

    def test_genders_come_back_and_sum_to_one(self) -> None:
        told = Gender(llr=1.2345, speech_s=2.5, result="female")
        genders = Genders(
            duration=9.0,
            channels=(
                ChannelGender(channel=0, speech_s=2.5, gender=told),
                ChannelGender(channel=1, speech_s=0.0, gender=None),
            ),
        )
        document = json.loads(genders.to_json())
        first, second = document["channels"]
        assert first["female"] + first["male"] == 1
        assert (second["result"], second["female"]) == ("no_speech", None)
        assert Genders.from_json(genders.to_json()) == genders

    def test_other_documents_are_refused(self) -> None:
        with pytest.raises(InvalidInput, match="schema"):
            TraitSeries.from_json('{"schema": "earmark.gender/1"}')

    def test_kinds_of_sound_come_back_with_voice_activity(self) -> None:
        channel = ChannelSpeech(
            channel=None, segments=((1.0, 2.0),), sounds=((0.0, 1.0, "music"), (1.0, 2.0, "speech"))
        )
        speech = SpeechActivity(channels=(channel,), duration=3.0)
        assert SpeechActivity.from_json(speech.to_json()) == speech


class TestTags:
    def test_music_goes_before_speech_and_speech_before_noise(self) -> None:
        spans = [
            SoundSpan(start=0.0, end=2.0, sound="music"),
            SoundSpan(start=2.0, end=5.0, sound="other"),
            SoundSpan(start=5.0, end=6.0, sound="silence"),
        ]
        assert _tagged([(11.0, 13.0), (15.5, 16.0)], spans, 10.0) == [
            (10.0, 12.0, "music"),
            (12.0, 13.0, "speech"),
            (13.0, 15.0, "noise"),
            (15.5, 16.0, "speech"),
        ]

    def test_who_speaks_most_of_a_period_and_how_many_do(self) -> None:
        turns = [
            Turn(start=10.0, end=10.6, speaker="A"),
            Turn(start=10.5, end=12.5, speaker="B"),
        ]
        reports = [
            TraitReport(start=float(i), end=i + 1.0, volume=0.1, traits={}) for i in range(4)
        ]
        told = [(each.speaker, each.speakers) for each in _told(reports, turns, 10.0)]
        assert told == [("A", 2), ("B", 1), ("B", 1), (None, 0)]


def test_what_is_not_offered_is_refused_with_what_is() -> None:
    with pytest.raises(InvalidOption, match=r"no trait 'emotion'.* speech, speech-rt, gender"):
        TraitOptions(kinds=("emotion",))  # type: ignore[arg-type]


def test_what_is_offered_are_the_kinds() -> None:
    assert OFFERED == ("speech", "speech-rt", "gender")

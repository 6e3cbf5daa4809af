"""Which speech a session's voiceprints are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark.live._changes import CleanSpeech
from earmark.live._voices import Voices
from earmark.models import ModelStore, answer_alone
from earmark.voiceprints import Voiceprint, VoiceprintMaker
from engine import samples, settings

RATE = 16_000


@pytest.fixture(scope="module")
def maker(models_dir: Path) -> VoiceprintMaker:
    return VoiceprintMaker.load(ModelStore(settings(models_dir)), provider="cpu")


@pytest.fixture
def voices(maker: VoiceprintMaker, sample_wav: Path) -> Voices:
    """20 s have been heard."""
    voices = Voices(maker)
    for start in range(0, 20 * RATE, RATE):
        voices.hear(samples(sample_wav)[start : start + RATE], start + RATE)
    return voices


def said(speaker: str, start: float, end: float, *, confirmed: bool = True) -> CleanSpeech:
    return CleanSpeech(speaker=speaker, start=start, end=end, confirmed=confirmed)


def made(voices: Voices, maker: VoiceprintMaker, label: str) -> Voiceprint | None:
    return answer_alone(voices.voiceprint(label), maker.answers)


def test_a_voiceprint_is_that_of_the_same_sound(
    voices: Voices, maker: VoiceprintMaker, sample_wav: Path
) -> None:
    voices.add(said("A", 7.0, 9.0))
    voiceprint = made(voices, maker, "A")
    assert voiceprint is not None
    sound = samples(sample_wav)[7 * RATE : 9 * RATE]
    expected = maker.make([answer_alone(maker.listen([sound]), maker.answers)])
    assert np.array_equal(voiceprint.vector, expected.vector)
    assert voiceprint.net_speech_s == expected.net_speech_s
    assert made(voices, maker, "B") is None


def test_what_is_provisional_counts_until_something_is_confirmed(voices: Voices) -> None:
    voices.add(said("A", 7.0, 8.0, confirmed=False))
    voices.add(said("B", 8.0, 9.5, confirmed=False))
    assert voices.net_s() == {"A": 1.0, "B": 1.5}
    voices.add(said("A", 7.0, 8.2))
    assert voices.net_s() == {"A": pytest.approx(1.2), "B": 0.0}
    voices.add(said("B", 9.0, 9.8, confirmed=False))
    assert voices.net_s()["B"] == pytest.approx(0.8)


def test_what_is_provisional_and_told_again_counts_once(voices: Voices) -> None:
    voices.add(said("A", 7.0, 10.0, confirmed=False))
    voices.add(said("A", 7.0, 10.5, confirmed=False))
    assert voices.net_s() == {"A": pytest.approx(3.5)}
    voices.add(said("B", 8.0, 9.0, confirmed=False))
    assert voices.net_s() == {"A": pytest.approx(2.5), "B": pytest.approx(1.0)}


def test_short_stretches_and_forgotten_sound_are_left_out(voices: Voices) -> None:
    voices.hear(np.zeros(20 * RATE, np.float32), 40 * RATE)
    voices.add(said("A", 2.0, 5.0))
    voices.add(said("A", 30.0, 30.2))
    voices.add(said("A", 39.0, 41.0))
    assert voices.net_s() == {"A": 0.0}


def test_sound_that_was_flushed_and_comes_again_is_heard_once(
    voices: Voices, maker: VoiceprintMaker, sample_wav: Path
) -> None:
    flushed = Voices(maker)
    sound = samples(sample_wav)
    flushed.hear(sound[: 7 * RATE], 7 * RATE)
    flushed.hear(sound[7 * RATE : 9 * RATE], 9 * RATE)
    flushed.hear(sound[7 * RATE : 8 * RATE], 8 * RATE)
    flushed.add(said("A", 7.0, 9.0, confirmed=False))
    assert flushed.net_s() == {"A": 2.0}
    flushed.hear(sound[8 * RATE : 11 * RATE], 11 * RATE)
    flushed.add(said("B", 8.5, 10.5))
    voices.add(said("B", 8.5, 10.5))
    one, other = made(flushed, maker, "B"), made(voices, maker, "B")
    assert one is not None
    assert other is not None
    assert np.array_equal(one.vector, other.vector)


def test_speech_changes_hands_with_its_turn(voices: Voices, maker: VoiceprintMaker) -> None:
    voices.add(said("A", 7.0, 13.0))
    voices.add(said("A", 14.0, 15.0))
    assert made(voices, maker, "A") is not None  # a window, and what is left
    early = voices.reassign(0.0, 9.0, lambda spans: "B" if spans[0][0] < 9 else "A")
    assert early == {"A", "B"}
    assert voices.net_s() == {"A": pytest.approx(2.0, abs=0.05), "B": pytest.approx(5.0, abs=0.05)}
    assert voices.reassign(16.0, 99.0, lambda _: None) == set()
    assert voices.reassign(0.0, 99.0, lambda spans: "B" if spans[0][0] < 14 else None) == {"A", "B"}
    assert voices.net_s() == {"B": pytest.approx(6.0, abs=0.05)}


def test_thirty_seconds_of_a_voice_are_enough(voices: Voices) -> None:
    for _ in range(10):
        voices.add(said("A", 7.0, 12.0))
    assert voices.net_s()["A"] <= 35.0


def test_who_has_not_spoken_for_long_makes_room_for_others(voices: Voices) -> None:
    voices.add(said("first", 7.0, 8.0))
    voices.add(said("second", 8.0, 9.0))
    for number in range(15):
        voices.add(said(f"other {number}", 9.0, 10.0))
        voices.add(said("first", 10.0, 11.0))
    assert len(voices.net_s()) == 16
    assert voices.net_s()["first"] == pytest.approx(16.0)
    assert voices.forgotten == {"second"}

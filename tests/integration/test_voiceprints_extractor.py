"""Voiceprints from speech: whose voice it is, and the same from the same bytes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.audio import Audio, open_audio, open_isolated, read_audio
from earmark.errors import InvalidOption
from earmark.voiceprints import (
    DEFAULT_MODEL,
    Quality,
    SpeechSpan,
    Voiceprint,
    VoiceprintExtractor,
)
from engine import settings, wav_file
from people import PEOPLE, People

Float = NDArray[np.float32]


class Sound(Audio):
    """Samples [channels, n] in blocks of any size, as from a file."""

    channels: tuple[int | None, ...] = (None,)
    start_s = 0.0
    duration_hint: float | None = None
    warnings: tuple[str, ...] = ()

    def __init__(
        self, sound: Float, *, block: int = 16000, channels: tuple[int | None, ...] = (None,)
    ) -> None:
        self.channels = channels
        self.delivered = 0
        self._sound, self._block = np.atleast_2d(sound), block

    def close(self) -> None:
        """There is nothing to let go of."""

    def __iter__(self) -> Iterator[Float]:
        for start in range(0, self._sound.shape[1], self._block):
            self.delivered = start
            yield self._sound[:, start : start + self._block]


@pytest.fixture(scope="module")
def extractor(models_dir: Path) -> Iterator[VoiceprintExtractor]:
    with VoiceprintExtractor(settings(models_dir)) as loaded:
        yield loaded


def spans(*times: tuple[float, float], channel: int | None = None) -> list[SpeechSpan]:
    return [SpeechSpan(start=start, end=end, channel=channel) for start, end in times]


def only(found: Mapping[str, Voiceprint]) -> Voiceprint:
    (voiceprint,) = found.values()
    return voiceprint


def extract(
    extractor: VoiceprintExtractor, sound: Float, own: Sequence[SpeechSpan], *, block: int = 16000
) -> Voiceprint:
    return only(extractor.extract(Sound(sound, block=block), {"A": own}))


def sound_of(people: People, name: str, seconds: float, part: int = 0) -> Float:
    sound: Float = read_audio(people.wav(name, seconds, part=part))[0]
    return sound


def test_a_voice_is_nearer_to_itself_than_to_any_other(
    extractor: VoiceprintExtractor, people: People
) -> None:
    prints = {
        (name, part): extract(extractor, sound_of(people, name, 6.0, part), spans((0, 6)))
        for name in PEOPLE
        for part in (0, 1)
    }
    same = [prints[name, 0].cosine(prints[name, 1]) for name in PEOPLE]
    other = [
        prints[one].cosine(prints[two]) for one, two in combinations(prints, 2) if one[0] != two[0]
    ]
    assert min(same) > max(other) + 0.2
    for each in prints.values():
        assert each.model == DEFAULT_MODEL
        assert each.vector.shape == (448,)
        assert np.linalg.norm(each.vector) == pytest.approx(1, abs=1e-6)
        assert 5.5 < each.net_speech_s <= 6


def test_only_what_lies_in_the_spans_counts(extractor: VoiceprintExtractor, people: People) -> None:
    june = sound_of(people, "june", 6.0)
    disturbed = june.copy()
    disturbed[16000:48000] = sound_of(people, "carlo", 2.0)
    own = spans((0, 1), (3, 6))
    assert extract(extractor, june, own) == extract(extractor, disturbed, own)


def test_the_same_samples_give_the_same_voiceprint(
    models_dir: Path, extractor: VoiceprintExtractor, people: People
) -> None:
    sound = sound_of(people, "june", 27.0)
    own = spans((0.3, 1.0), (2.0, 14.5), (15.0, 27.0))
    expected = extract(extractor, sound, own)
    for block in (999, 160_000):
        assert extract(extractor, sound, list(reversed(own)), block=block) == expected
    for threads in (1, 5):
        with VoiceprintExtractor(settings(models_dir, threads=threads)) as other:
            assert extract(other, sound, own) == expected


def test_recordings_of_strangers_are_read_like_files(
    models_dir: Path, extractor: VoiceprintExtractor, people: People, tmp_path: Path
) -> None:
    path = tmp_path / "june.wav"
    path.write_bytes(people.wav("june", 5.0))
    own = {"A": spans((0.5, 4.5))}
    with open_audio(path) as audio:
        expected = extractor.extract(audio, own)
    with open_isolated(path, settings=settings(models_dir)) as audio:
        assert extractor.extract(audio, own) == expected


def test_each_channel_is_its_own(extractor: VoiceprintExtractor, people: People) -> None:
    june, carlo = sound_of(people, "june", 5.0), sound_of(people, "carlo", 5.0)
    own = {"A": spans((0, 5), channel=0), "B": spans((1, 4), channel=3)}
    both = extractor.extract(Sound(np.stack([june, carlo]), channels=(0, 3)), own)
    assert both["A"] == extract(extractor, june, spans((0, 5)))
    assert both["B"] == extract(extractor, carlo, spans((1, 4)))
    with pytest.raises(InvalidOption, match="channel 0"):
        extractor.extract(Sound(june), own)


def test_times_are_those_of_the_recording(extractor: VoiceprintExtractor, people: People) -> None:
    file = wav_file(sound_of(people, "june", 6.0))
    with open_audio(file) as whole, open_audio(file, start=2.0) as part:
        own = {"A": spans((3, 5))}
        assert extractor.extract(whole, own) == extractor.extract(part, own)


def test_no_more_is_read_than_is_needed(extractor: VoiceprintExtractor, people: People) -> None:
    audio = Sound(sound_of(people, "june", 10.0), block=1600)
    extractor.extract(audio, {"A": spans((0, 2)), "B": spans((1, 4))})
    assert audio.delivered < 4 * 16000


def test_a_day_takes_no_more_memory_than_a_minute(
    extractor: VoiceprintExtractor, people: People
) -> None:
    class Day(Sound):
        def __iter__(self) -> Iterator[Float]:
            for _ in range(24 * 3600 // 10):
                yield self._sound

    ten_seconds = sound_of(people, "june", 10.0)
    every_hour = spans(*((3600.0 * hour, 3600.0 * hour + 1) for hour in range(24)))
    tracemalloc.start()
    try:
        found = extractor.extract(Day(ten_seconds), {"A": every_hour})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert only(found).net_speech_s > 23
    assert peak < 20e6


def test_what_is_not_there_makes_no_voiceprint(
    extractor: VoiceprintExtractor, people: People
) -> None:
    june = sound_of(people, "june", 3.0)
    assert extractor.extract(Sound(june), {}) == {}
    own = {"A": spans(), "B": spans((1, 1.05)), "C": spans((5, 8)), "D": spans((2, 9))}
    found = extractor.extract(Sound(june), own)
    assert list(found) == ["D"]
    assert found["D"].net_speech_s == pytest.approx(1, abs=0.05)


def test_a_tenth_of_a_second_is_enough_for_a_poor_one(
    extractor: VoiceprintExtractor, people: People
) -> None:
    shortest = extract(extractor, sound_of(people, "june", 3.0), spans((1, 1.1)))
    assert shortest.quality == "poor"


@pytest.mark.parametrize("name", ["june", "carlo"])
def test_noise_lowers_the_quality(
    extractor: VoiceprintExtractor, people: People, name: str
) -> None:
    speech = sound_of(people, name, 14.0)
    noise = np.random.default_rng(0).normal(size=len(speech)).astype(np.float32) * speech.std()
    levels = (None, 25, 10, 0)  # dB of signal to noise
    found = [
        extract(
            extractor,
            speech if level is None else speech + noise * np.float32(10 ** (-level / 20)),
            spans((0, 14)),
        ).quality
        for level in levels
    ]
    order: list[Quality | None] = list(Quality)
    assert found == sorted(found, key=order.index, reverse=True)
    assert found[0] == Quality.HIGH
    assert found[-1] == Quality.POOR


def test_more_speech_never_lowers_the_quality(
    extractor: VoiceprintExtractor, people: People
) -> None:
    speech = sound_of(people, "june", 20.0)
    found = [extract(extractor, speech, spans((0, end))).quality for end in (1.5, 4, 8, 20)]
    assert found == list(Quality)


def test_two_voices_taken_for_one_are_of_lower_quality(
    extractor: VoiceprintExtractor, people: People
) -> None:
    both = np.concatenate([sound_of(people, "june", 10.0), sound_of(people, "allison", 10.0)])
    mixed = extract(extractor, both, spans((0, 20)))
    assert mixed.quality in (Quality.POOR, Quality.AVERAGE)

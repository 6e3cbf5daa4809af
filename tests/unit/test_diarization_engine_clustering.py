"""How many speakers are found: in made-up units, under hints, in long recordings."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.diarization import _clustering
from earmark.diarization._clustering import CountHint, find_speakers
from earmark.diarization._parameters import ACCURATE
from engine import heard, voices

Float = NDArray[np.float32]


def units(
    people: int, each: int, *, spread: float = 0.7, length_s: float = 1.8
) -> tuple[NDArray[np.float16], Float]:
    """Units of people who take turns, and their lengths."""
    rng = np.random.default_rng(people * 1000 + each)
    vectors = heard(np.tile(voices(people, 128), (each, 1)), spread, rng)
    return vectors.astype(np.float16), np.full(len(vectors), length_s, np.float32)


def found(
    given: tuple[NDArray[np.float16], Float], hint: CountHint | None = None
) -> NDArray[np.float32]:
    return find_speakers(*given, hint or CountHint(), ACCURATE)


@pytest.mark.parametrize("people", range(1, 11))
def test_as_many_speakers_as_there_are_voices(people: int) -> None:
    centroids = found(units(people, 30))
    assert centroids.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-6)
    cosine = centroids @ voices(people, 128).T  # each is one voice, and no two the same
    assert sorted(cosine.argmax(axis=1)) == list(range(people))
    assert cosine.max(axis=1).min() > 0.95


def test_a_single_unit_is_a_speaker() -> None:
    assert len(found(units(1, 1))) == 1


@pytest.mark.parametrize("people", [1, 3, 6])
@pytest.mark.parametrize("asked", range(1, 10))
def test_an_exact_count_is_kept_to(people: int, asked: int) -> None:
    hint = CountHint(least=asked, most=asked)
    assert len(found(units(people, 30), hint)) == asked


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [(0, 2, 2), (0, 4, 4), (0, 9, 4), (3, None, 4), (4, 4, 4), (6, None, 6), (5, 8, 5), (1, 1, 1)],
)
def test_limits_are_kept_to_and_change_nothing_within(
    least: int, most: int | None, expected: int
) -> None:
    assert len(found(units(4, 30), CountHint(least=least, most=most))) == expected


def test_a_maximum_is_kept_to_even_for_opposite_voices() -> None:
    voice = voices(1, 128)
    vectors = np.repeat(np.concatenate([voice, -voice]), 20, axis=0).astype(np.float16)
    lengths = np.full(40, 1.8, np.float32)
    assert len(found((vectors, lengths))) == 2
    assert len(found((vectors, lengths), CountHint(most=1))) == 1


def test_there_are_no_more_speakers_than_units() -> None:
    assert len(found(units(3, 1), CountHint(least=8, most=8))) == 3


@pytest.mark.parametrize(
    ("hint", "count", "message"),
    [
        (CountHint(), 0, ""),
        (CountHint(least=2, most=3), 2, ""),
        (CountHint(most=3), 3, ""),
        (CountHint(least=8, most=8), 3, "There should be 8 speakers, but speech of 3 was found"),
        (CountHint(least=1, most=1), 0, "There should be 1 speaker, but speech of 0 was found"),
        (CountHint(least=4), 3, "There should be at least 4 speakers, but speech of 3 was found"),
        (CountHint(most=1), 2, "There should be at most 1 speaker, but speech of 2 was found"),
    ],
)
def test_a_missed_hint_is_told(hint: CountHint, count: int, message: str) -> None:
    assert hint.missed(count) == message


def test_odd_short_sounds_are_nobody() -> None:
    vectors, lengths = units(3, 40)
    odd = voices(8, 128)[3:].astype(np.float16)  # a cough each, unlike anyone
    place = np.linspace(5, len(vectors) - 5, len(odd)).astype(int)
    together = np.insert(vectors, place, odd, axis=0), np.insert(lengths, place, 0.4)
    assert len(found(together)) == 3
    # ... unless they are asked for.
    assert len(found(together, CountHint(least=5, most=5))) == 5


def test_someone_who_says_little_is_somebody() -> None:
    vectors, lengths = units(2, 60)
    third = heard(np.repeat(voices(3, 128)[2:], 4, axis=0), 0.7, np.random.default_rng(1))
    together = np.concatenate([vectors, third.astype(np.float16)]), np.append(lengths, [1.8] * 4)
    assert len(found((together[0], together[1].astype(np.float32)))) == 3


def test_groups_agree_with_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    given = units(5, 700)
    assert len(given[0]) > 2 * _clustering._GROUP
    in_groups = found(given)
    monkeypatch.setattr(_clustering, "_GROUP", 10_000)
    at_once = found(given)
    assert len(in_groups) == len(at_once) == 5
    assert (in_groups @ at_once.T).max(axis=1).min() > 0.9999


def test_somebody_in_one_part_only_is_found_in_a_long_recording() -> None:
    vectors, lengths = units(4, 1500)
    guest = heard(np.repeat(voices(5, 128)[4:], 8, axis=0), 0.7, np.random.default_rng(2))
    vectors[3000:3008] = guest.astype(np.float16)
    assert len(found((vectors, lengths))) == 5


def test_memory_and_time_grow_with_the_recording_not_its_square() -> None:
    def cost(each: int) -> tuple[float, float]:
        given = units(6, each)
        tracemalloc.start()
        before = time.process_time()
        assert len(found(given)) == 6
        seconds = time.process_time() - before
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return seconds, peak

    short, long = cost(500), cost(2500)  # two groups and ten
    assert long[0] < 12 * short[0]  # 5 times in line, 25 times squared
    assert long[1] < 3 * short[1]

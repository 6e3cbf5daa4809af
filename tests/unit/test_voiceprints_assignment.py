"""Names for the voices of a recording: open-set, and one to one when asked."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from earmark.errors import InvalidOption
from earmark.voiceprints import DEFAULT_MODEL, Calibration, Index, Voiceprint, assign

CALIBRATION = Calibration.load()
RANDOM = np.random.default_rng(0)
AXES = np.linalg.qr(RANDOM.standard_normal((448, 8)))[0].T


def voice(*parts: float) -> Voiceprint:
    """A voiceprint with these cosines to the first axes, and the rest elsewhere."""
    rest = np.sqrt(1 - sum(part**2 for part in parts))
    vector = np.asarray(parts) @ AXES[: len(parts)] + rest * AXES[-1]
    return Voiceprint(vector=np.asarray(vector, np.float32), model=DEFAULT_MODEL, net_speech_s=10.0)


def people(count: int) -> Index:
    """An index of people a, b, c ... each along an axis."""
    index = Index(CALIBRATION)
    for name, axis in zip("abcdefg"[:count], AXES, strict=False):
        index.put(name, [Voiceprint(vector=axis, model=DEFAULT_MODEL, net_speech_s=10.0)])
    return index


def test_a_voice_is_who_it_sounds_like_most_or_nobody() -> None:
    probes = {"S0": voice(0.8, 0.3), "S1": voice(0.3, 0.2)}
    found = assign(probes, people(3), exclusive=False, threshold_llr=0.0)
    first = found["S0"]
    assert first.match is not None
    assert first.match.speaker == "a"
    assert [hit.speaker for hit in first.alternatives] == ["b", "c"]
    assert first.margin == pytest.approx(first.match.llr - first.alternatives[0].llr)
    nobody = found["S1"]
    assert nobody.match is None
    assert [hit.speaker for hit in nobody.alternatives] == ["a", "b", "c"]
    assert nobody.margin is not None
    assert nobody.margin > 0


def test_two_voices_may_be_one_person_unless_asked_otherwise() -> None:
    probes = {"S0": voice(0.9, 0.3), "S1": voice(0.7, 0.65)}
    index = people(2)
    free = assign(probes, index, exclusive=False, threshold_llr=-5.0)
    assert [each.match and each.match.speaker for each in free.values()] == ["a", "a"]
    apart = assign(probes, index, exclusive=True, threshold_llr=-5.0)
    assert [each.match and each.match.speaker for each in apart.values()] == ["a", "b"]
    margin = apart["S1"].margin
    assert margin is not None
    assert margin < 0


def test_exclusive_takes_the_best_sum_and_not_the_best_single() -> None:
    # S0 is nearest to a, but S1 can only be a: together it is better to give b to S0.
    probes = {"S0": voice(0.7, 0.68), "S1": voice(0.69)}
    found = assign(probes, people(2), exclusive=True, threshold_llr=0.0)
    assert [each.match and each.match.speaker for each in found.values()] == ["b", "a"]


def test_exclusive_is_the_best_of_all_ways_to_name() -> None:
    index = people(4)
    for seed in range(20):
        draw = np.random.default_rng(seed)
        probes = {f"S{i}": voice(*draw.uniform(0.1, 0.5, size=4)) for i in range(4)}
        threshold = float(draw.uniform(-12, -4))
        found = assign(probes, index, exclusive=True, threshold_llr=threshold)
        llr = {
            (label, hit.speaker): hit.llr
            for label, probe in probes.items()
            for hit in index.search(probe, k=4)
        }
        best = max(
            sum(
                max(0.0, llr[label, name] - threshold) if name else 0.0
                for label, name in zip(probes, names, strict=True)
            )
            for names in itertools.permutations(["a", "b", "c", "d"])
        )
        got = sum(each.match.llr - threshold for each in found.values() if each.match)
        assert got == pytest.approx(best)
        assert all(each.match.llr >= threshold for each in found.values() if each.match)


def test_more_voices_than_people_leaves_some_unknown() -> None:
    probes = {f"S{i}": voice(0.8 + 0.01 * i) for i in range(4)}
    found = assign(probes, people(1), exclusive=True, threshold_llr=-3.0)
    assert [each.match is not None for each in found.values()] == [False, False, False, True]


def test_only_so_many_people_are_told() -> None:
    found = assign({"S0": voice(0.8)}, people(7), exclusive=True, threshold_llr=0.0, k=3)
    assert len(found["S0"].alternatives) == 2


def test_nobody_to_compare_with_and_nobody_to_name() -> None:
    empty = Index(CALIBRATION)
    found = assign({"S0": voice(0.8)}, empty, exclusive=True, threshold_llr=0.0)
    assert found["S0"].match is None
    assert found["S0"].margin is None
    assert assign({}, people(2), exclusive=True, threshold_llr=0.0) == {}


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"threshold_llr": float("nan")}, "threshold"),
        ({"threshold_llr": 0.0, "k": 0}, "one person or more"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float], why: str) -> None:
    with pytest.raises(InvalidOption, match=why):
        assign({}, people(1), exclusive=False, **limits)  # type: ignore[arg-type]

"""EER, minDCF, Cllr and minCllr against plain definitions and another implementation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from earmark.bench import Interval, Roc, Trials, bootstrap, cllr


def split(same: list[float], other: list[float]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scores and labels of two lists."""
    scores = np.array(same + other)
    return scores, np.arange(len(scores)) < len(same)


def both_kinds() -> st.SearchStrategy[tuple[list[float], list[float]]]:
    some = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=25)
    return st.tuples(some, some)


def test_voices_that_never_mix_cost_nothing() -> None:
    roc = Roc.of(*split([0.8, 0.9], [0.1, 0.2, 0.3]))
    assert roc.equal_error_rate == 0
    assert roc.min_cllr == 0
    assert roc.min_dcf(0.01) == 0


def test_scores_that_say_nothing_cost_what_guessing_costs() -> None:
    roc = Roc.of(*split([1.0, 1.0], [1.0, 1.0, 1.0]))
    assert roc.equal_error_rate == pytest.approx(0.5)
    assert roc.min_cllr == pytest.approx(1.0)
    assert roc.min_dcf(0.05) == pytest.approx(1.0)


def test_an_example_by_hand() -> None:
    # Corners (false accepts, misses): (0, 1), (0, 1/2), (1/4, 0), (1, 0).
    roc = Roc.of(*split([4.0, 2.0], [3.0, 1.0, 0.0, -1.0]))
    assert roc.false_accept.tolist() == [0, 0, 0.25, 1]
    assert roc.miss.tolist() == [1, 0.5, 0, 0]
    assert roc.equal_error_rate == pytest.approx(1 / 6)  # where 1/2 - 2x is x
    assert roc.min_dcf(0.5) == pytest.approx(0.25)


def test_cllr_by_hand() -> None:
    llr, same = np.array([math.log(3), -math.log(3)]), np.array([True, False])
    assert cllr(llr, same) == pytest.approx(math.log2(4 / 3))
    assert cllr(np.zeros(2), same) == pytest.approx(1)


@settings(max_examples=200, deadline=None)
@given(both_kinds())
def test_the_least_cllr_is_that_of_isotonic_regression(
    scores: tuple[list[float], list[float]],
) -> None:
    score, same = split(*scores)
    _, inverse = np.unique(score, return_inverse=True)
    counts = np.bincount(inverse)
    share = np.bincount(inverse, weights=same) / counts
    likely = isotonic_regression(share, weights=counts).x[inverse]
    odds = same.sum() / (~same).sum()
    with np.errstate(divide="ignore"):
        llr = np.log(likely / (1 - likely)) - math.log(odds)
    assert Roc.of(score, same).min_cllr == pytest.approx(cllr(llr, same), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(both_kinds())
def test_the_eer_is_the_least_worst_error_of_any_mix_of_two_thresholds(
    scores: tuple[list[float], list[float]],
) -> None:
    score, same = split(*scores)
    thresholds = [math.inf, *sorted(set(score), reverse=True)]
    points = [
        (float((score[~same] >= t).mean()), float((score[same] < t).mean())) for t in thresholds
    ]
    best = 1.0
    for a, b in points:
        for c, d in points:
            # On the way from one point to the other, both errors are equal at most once.
            gap, change = b - a, (c - a) - (d - b)
            part = min(max(gap / change, 0.0), 1.0) if change else 0.0
            mixed = a + part * (c - a), b + part * (d - b)
            best = min(best, max(mixed))
    assert Roc.of(score, same).equal_error_rate == pytest.approx(best, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(both_kinds(), st.integers(0, 2**32 - 1))
def test_a_weight_is_a_number_of_times(scores: tuple[list[float], list[float]], seed: int) -> None:
    score, same = split(*scores)
    times = np.random.default_rng(seed).integers(0, 4, len(score))
    times[0] = times[-1] = 1  # one of each kind
    repeated = np.repeat(score, times), np.repeat(same, times)
    weighted, plain = Roc.of(score, same, times.astype(float)), Roc.of(*repeated)
    assert weighted.equal_error_rate == pytest.approx(plain.equal_error_rate)
    assert weighted.min_cllr == pytest.approx(plain.min_cllr)
    assert weighted.min_dcf(0.05) == pytest.approx(plain.min_dcf(0.05))
    assert cllr(score, same, times.astype(float)) == pytest.approx(cllr(*repeated))


def test_the_interval_is_over_people_and_always_the_same() -> None:
    random = np.random.default_rng(1)
    people = 12
    own = random.normal(0, 1.5, people)  # some are easier to tell than others
    i, j = (part.ravel() for part in np.indices((people, people)))
    first, second = np.tile(i, 4), np.tile(j, 4)
    same = first == second
    scores = np.where(same, 2.0 + own[first], 0.0) + random.normal(size=len(first))
    trials = Trials(same=same, first=first, second=second)

    def equal_error_rate(weight: NDArray[np.float64] | None) -> float:
        return Roc.of(scores, same, weight).equal_error_rate

    found = bootstrap(trials, equal_error_rate)
    assert found == bootstrap(trials, equal_error_rate)
    assert isinstance(found, Interval)
    assert found.low < found.value < found.high

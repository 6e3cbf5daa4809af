"""Calibrations from comparisons whose answer is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InvalidInput
from earmark.voiceprints._calibration import Calibration

__all__ = ["Comparisons", "fit_calibration", "fit_to_site", "require_enough"]

Double = NDArray[np.float64]

_PULL = 1e-6
_STILL = 1e-9
_LEAST_SAME = 30  # comparisons that a site's calibration needs ...
_LEAST_OTHER = 100
_LEAST_PEOPLE = 10
_TAIL = 10  # comparisons of strangers that a rate needs to be more than chance
_RATES = tuple(10.0 ** (-step / 4) for step in range(1, 25))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Comparisons:
    """Comparisons of two voiceprints each.

    ``cosine``, whether it is the ``same`` person, and both sides' seconds of net speech, all [n];
    ``weight`` [n] is what each counts among its kind.
    """

    cosine: Double
    same: NDArray[np.bool_]
    net_speech_a: Double
    net_speech_b: Double
    weight: Double

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Comparisons:
        return Comparisons(
            cosine=self.cosine[chosen],
            same=self.same[chosen],
            net_speech_a=self.net_speech_a[chosen],
            net_speech_b=self.net_speech_b[chosen],
            weight=self.weight[chosen],
        )

    def llr(self, calibration: Calibration) -> Double:
        """What ``calibration`` makes of them."""
        return calibration.llr(self.cosine, self.net_speech_a, self.net_speech_b)


def fit_calibration(
    comparisons: Comparisons, *, half_s: float, provenance: Mapping[str, Any]
) -> Calibration:
    """A calibration of its own: logistic regression on cosine and clarity, at even odds."""
    seconds = [comparisons.net_speech_a, comparisons.net_speech_b]
    r = np.prod([np.sqrt(each / (each + half_s)) for each in seconds], axis=0)
    powers = np.stack([np.ones_like(r), r, r * r], axis=1)
    inputs = np.concatenate([powers * comparisons.cosine[:, None], powers], axis=1)
    weights = _logistic(
        inputs, comparisons.same, comparisons.weight, towards=np.zeros(6), pull=_PULL
    )
    found = np.round(weights, 4).tolist()
    fitted = Calibration(
        half_s=half_s,
        slope=(found[0], found[1], found[2]),
        offset=(found[3], found[4], found[5]),
        strangers=((0.0, 1.0), (1.0, 0.5)),
        provenance=provenance,
    )
    return replace(fitted, strangers=_stranger_points(comparisons, fitted))


def require_enough(*, people: int, same: int, other: int) -> None:
    """Raise `InvalidInput` when so few people and comparisons of each kind make no calibration."""
    for count, least, what in (
        (people, _LEAST_PEOPLE, "people"),
        (same, _LEAST_SAME, "comparisons of the same person"),
        (other, _LEAST_OTHER, "comparisons of two different people"),
    ):
        if count < least:
            raise InvalidInput(
                f"There are {count} {what}, but a calibration needs {least} or more: add"
                " recordings."
            )


def fit_to_site(
    comparisons: Comparisons, *, base: Calibration, provenance: Mapping[str, Any]
) -> Calibration:
    """``base`` with its LLR scaled and shifted to fit a site's own comparisons.

    How speech's length counts stays as it is: a site's trials are too few to tell. Raises
    `InvalidInput` when they are of one kind, or the same person scores no higher than others.
    """
    llr = comparisons.llr(base)
    inputs = np.stack([llr, np.ones_like(llr)], axis=1)
    rarer = min(comparisons.same.sum(), (~comparisons.same).sum())
    scale, shift = _logistic(
        inputs,
        comparisons.same,
        comparisons.weight,
        towards=np.array([1.0, 0.0]),
        pull=1 / max(int(rarer), 1),  # as much as one trial
    )
    if scale <= 0:
        raise InvalidInput(
            "The trials of the same person score no higher than those of different people: check"
            " their labels."
        )
    constant, linear, square = base.offset
    fitted = replace(
        base,
        slope=tuple(round(scale * each, 4) for each in base.slope),
        offset=(
            round(scale * constant + shift, 4),
            round(scale * linear, 4),
            round(scale * square, 4),
        ),
        provenance=provenance,
    )
    return replace(fitted, strangers=_stranger_points(comparisons, fitted))


def _stranger_points(
    comparisons: Comparisons, calibration: Calibration
) -> tuple[tuple[float, float], ...]:
    """The LLR that each rate of the comparisons of different people reaches, ascending by LLR.

    Rates go down to where ten comparisons are left, or to the second one.
    """
    other = ~comparisons.same
    llr = comparisons.llr(calibration)[other]
    order = np.argsort(-llr, kind="stable")
    ranked = llr[order]
    share = np.cumsum(comparisons.weight[other][order])
    share /= share[-1]
    points: list[tuple[float, float]] = []
    for rate in _RATES:
        place = int(np.searchsorted(share, rate))
        if place < _TAIL and len(points) > 1:
            break
        point = (round(float(ranked[place]), 4), float(f"{rate:.4g}"))
        if not points or point[0] > points[-1][0]:
            points.append(point)
    return tuple(points)


def _logistic(
    inputs: Double, same: NDArray[np.bool_], weight: Double, *, towards: Double, pull: float
) -> Double:
    """Coefficients [n] of a logistic regression at even odds, by Newton's method with halving.

    ``pull`` is the weight of staying near ``towards`` [n], which keeps them finite when the kinds
    can be told apart without an error.
    """
    if not same.any() or same.all():
        raise InvalidInput("There must be trials of the same person and of two different people.")
    balanced = np.where(same, weight / weight[same].sum(), weight / weight[~same].sum())
    sign = np.where(same, -1.0, 1.0)

    def cost(coefficients: Double) -> float:
        missed = balanced @ np.logaddexp(0.0, sign * (inputs @ coefficients))
        return float(missed + pull / 2 * ((coefficients - towards) ** 2).sum())

    found, now = towards.copy(), cost(towards)
    for _ in range(50):
        likely = np.exp(-np.logaddexp(0.0, -(inputs @ found)))
        slope = inputs.T @ (balanced * (same - likely)) - pull * (found - towards)
        bend = (inputs.T * (balanced * likely * (1 - likely))) @ inputs
        bend[np.diag_indices_from(bend)] += pull
        step = np.linalg.solve(bend, slope)
        while (after := cost(found + step)) > now:
            step = step / 2
            if np.abs(step).max() < _STILL:
                return found
        found, now = found + step, after
    return found

"""Calibrations from comparisons whose answer is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InvalidInput
from earmark.voiceprints._calibration import Calibration

__all__ = ["Comparisons", "fit_calibration", "fit_telephone", "fit_to_site", "require_enough"]

Double = NDArray[np.float64]
Int = NDArray[np.int64]

_AT_ONCE = 65536
_PULL = 1e-6
_SOFT = 1e-3
_SOFTENED = 0.5
_STILL = 1e-9
_LEAST_SAME = 30  # comparisons that a site's calibration needs ...
_LEAST_OTHER = 100
_LEAST_PEOPLE = 10
_TAIL = 10  # comparisons of strangers that a rate needs to be more than chance
_RATES = tuple(10.0 ** (-step / 4) for step in range(1, 25))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Comparisons:
    """Comparisons of pairs of voiceprints.

    ``vectors`` float32 [prints, dim] and ``net_speech_s`` [prints] are the voiceprints; ``first``
    and ``second`` [n] say which are compared, and ``same`` [n] whether they are one person's.
    ``weight`` [n] is what each counts among its kind, ``group`` [n] what sort of recordings they
    are, of which strangers in the one where they sound most alike set the thresholds.
    """

    vectors: NDArray[np.float32]
    net_speech_s: Double
    first: Int
    second: Int
    same: NDArray[np.bool_]
    weight: Double
    group: Int

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Comparisons:
        return replace(
            self,
            first=self.first[chosen],
            second=self.second[chosen],
            same=self.same[chosen],
            weight=self.weight[chosen],
            group=self.group[chosen],
        )

    @property
    def cosines(self) -> Double:
        """Of each comparison: [n]."""
        found = np.empty(len(self.first))
        for start in range(0, len(found), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            pairs = self.vectors[self.first[part]] * self.vectors[self.second[part]]
            found[part] = pairs.sum(axis=1, dtype=np.float64)
        return found

    def llr(self, calibration: Calibration) -> Double:
        """What ``calibration`` makes of them."""
        sound = calibration.sound_of(self.vectors, self.net_speech_s)
        return calibration.llr(self.cosines, sound[self.first], sound[self.second])


def fit_telephone(vectors: NDArray[np.float32], telephone: NDArray[np.bool_]) -> tuple[float, ...]:
    """Weights and constant that tell which ``vectors`` [n, dim] were made on a telephone [n].

    Both can be told apart without an error. What lies between a telephone and a good microphone
    shall come out between, so the log odds are kept small.
    """
    inputs = np.concatenate([vectors, np.ones((len(vectors), 1))], axis=1, dtype=np.float64)
    zeros = np.zeros(inputs.shape[1])
    found = _logistic(inputs, telephone, np.ones(len(vectors)), towards=zeros, pull=_SOFT)
    return tuple(np.round(found * _SOFTENED, 3).tolist())


def fit_calibration(
    comparisons: Comparisons,
    *,
    half_s: float,
    telephone: tuple[float, ...],
    provenance: Mapping[str, Any],
) -> Calibration:
    """A calibration of its own: logistic regression at even odds."""
    blank = Calibration(
        half_s=half_s,
        slope=(1.0, 0.0),
        offset=(0.0, 0.0, 0.0),
        both=(0.0, 0.0),
        apart=(0.0, 0.0),
        telephone=telephone,
        strangers=((0.0, 1.0), (1.0, 0.5)),
        provenance=provenance,
    )
    sound = blank.sound_of(comparisons.vectors, comparisons.net_speech_s)
    a, b = sound[comparisons.first], sound[comparisons.second]
    r = a.clarity * b.clarity
    powers = np.stack([np.ones_like(r), r, r * r], axis=1)
    both, apart = (a.telephone + b.telephone) / 2, np.abs(a.telephone - b.telephone)
    inputs = np.concatenate(
        [
            powers[:, 1:] * comparisons.cosines[:, None],
            powers,
            powers[:, :2] * both[:, None],
            powers[:, :2] * apart[:, None],
        ],
        axis=1,
    )
    zeros = np.zeros(inputs.shape[1])
    weights = _logistic(inputs, comparisons.same, comparisons.weight, towards=zeros, pull=_PULL)
    found = np.round(weights, 4).tolist()
    fitted = replace(
        blank,
        slope=tuple(found[0:2]),
        offset=tuple(found[2:5]),
        both=tuple(found[5:7]),
        apart=tuple(found[7:9]),
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

    How speech's length and telephones count stays as it is: a site's trials are too few to tell.
    Raises `InvalidInput` when they are of one kind, or the same person scores no higher.
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

    def scaled(numbers: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(round(scale * each, 4) for each in numbers)

    constant, *others = scaled(base.offset)
    fitted = replace(
        base,
        slope=scaled(base.slope),
        offset=(round(constant + shift, 4), *others),
        both=scaled(base.both),
        apart=scaled(base.apart),
        provenance=provenance,
    )
    return replace(fitted, strangers=_stranger_points(comparisons, fitted))


def _stranger_points(
    comparisons: Comparisons, calibration: Calibration
) -> tuple[tuple[float, float], ...]:
    """The LLR that each rate of the comparisons of different people reaches, ascending by LLR.

    That of the group whose strangers reach the highest. Rates go down to where a group has ten
    comparisons left, or to the second rate.
    """
    other = ~comparisons.same & (comparisons.weight > 0)
    llr, weight = comparisons.llr(calibration)[other], comparisons.weight[other]
    reached: dict[float, float] = {}
    for group in np.unique(comparisons.group[other]):
        own = np.flatnonzero(comparisons.group[other] == group)
        ranked = own[np.argsort(-llr[own], kind="stable")]
        share = np.cumsum(weight[ranked]) / weight[ranked].sum()
        for number, rate in enumerate(_RATES):
            place = int(np.searchsorted(share, rate))
            if place >= _TAIL or number < 2:
                reached[rate] = max(reached.get(rate, -np.inf), float(llr[ranked[place]]))
    points: list[tuple[float, float]] = []
    for rate, value in sorted(reached.items(), reverse=True):
        if not points or value > points[-1][0]:
            points.append((round(value, 4), float(f"{rate:.4g}")))
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

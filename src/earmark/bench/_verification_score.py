"""How well scores tell same voice from other voice: EER, minDCF, Cllr and minCllr.

All of them come from the convex hull of the ROC (Brümmer and de Villiers, "The BOSARIS toolkit",
2011): the best that any non-decreasing calibration of the scores can do. Trials may be weighted,
which is how the bootstrap over speakers repeats some people and leaves out others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "Roc", "Trials", "bootstrap", "cllr"]

Double = NDArray[np.float64]
Mask = NDArray[np.bool_]
Int = NDArray[np.int64]

REPLICATES = 500


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trials:
    """Comparisons whose answer is known: ``same`` bool [n], and the two people of each, int [n].

    People are numbered from 0.
    """

    same: Mask
    first: Int
    second: Int

    def __getitem__(self, chosen: Mask | Int) -> Trials:
        return Trials(same=self.same[chosen], first=self.first[chosen], second=self.second[chosen])

    def __len__(self) -> int:
        return len(self.same)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Roc:
    """The convex hull of a ROC: ``false_accept`` and ``miss`` rates [v] at its corners.

    The first corner refuses everything (0, 1), the last accepts everything (1, 0).
    """

    false_accept: Double
    miss: Double

    @classmethod
    def of(cls, scores: Double, same: Mask, weight: Double | None = None) -> Self:
        """The hull of ``scores`` [n], high for the same voice; needs trials of both kinds."""
        weights = np.ones(len(scores)) if weight is None else weight
        order = np.argsort(-scores, kind="stable")
        ranked, target, share = scores[order], same[order], weights[order]
        ends = np.append(ranked[1:] != ranked[:-1], True)  # equal scores are one threshold
        accepted = np.cumsum(np.where(target, share, 0.0))[ends]
        strangers = np.cumsum(np.where(target, 0.0, share))[ends]
        found = accepted / accepted[-1]
        alarms = strangers / strangers[-1]
        # Only a corner can be on the hull: the last point with so many false alarms.
        corner = np.append(alarms[1:] > alarms[:-1], True)
        kept: list[tuple[float, float]] = [(0.0, 0.0)]
        for x, y in zip(alarms[corner].tolist(), found[corner].tolist(), strict=True):
            while len(kept) > 1 and _turns_left(kept[-2], kept[-1], (x, y)):
                kept.pop()
            kept.append((x, y))
        points = np.asarray(kept)
        return cls(false_accept=points[:, 0], miss=1.0 - points[:, 1])

    @property
    def equal_error_rate(self) -> float:
        """Where the hull meets the diagonal: as many missed as falsely accepted (0..1)."""
        over = int(np.argmax(self.miss <= self.false_accept))
        before, after = self.miss[over - 1 : over + 1] - self.false_accept[over - 1 : over + 1]
        part = before / (before - after)
        low, high = self.false_accept[over - 1 : over + 1]
        return float(low + part * (high - low))

    def min_dcf(self, prior: float) -> float:
        """The lowest detection cost at this prior of the same voice, both errors costing 1.

        Over the cost of the better of accepting and refusing everything, as in NIST's evaluations.
        """
        costs = prior * self.miss + (1 - prior) * self.false_accept
        return float(costs.min() / min(prior, 1 - prior))

    @property
    def min_cllr(self) -> float:
        """Cllr with the best non-decreasing calibration (bits)."""
        same = -np.diff(self.miss)
        other = np.diff(self.false_accept)
        with np.errstate(divide="ignore", invalid="ignore"):
            missed = np.where(same > 0, same * np.log2(1 + other / same), 0.0)
            alarmed = np.where(other > 0, other * np.log2(1 + same / other), 0.0)
        return float(missed.sum() + alarmed.sum()) / 2


def cllr(llr: Double, same: Mask, weight: Double | None = None) -> float:
    """The cost of log-likelihood ratios (natural logarithm), in bits; 1 says nothing.

    Brümmer and du Preez, "Application-independent evaluation of speaker detection", 2006.
    """
    weights = np.ones(len(llr)) if weight is None else weight
    own, strangers = weights[same], weights[~same]
    missed = float(own @ np.logaddexp(0.0, -llr[same])) / float(own.sum())
    alarmed = float(strangers @ np.logaddexp(0.0, llr[~same])) / float(strangers.sum())
    return (missed + alarmed) / (2 * float(np.log(2.0)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A figure and its 95 % confidence interval."""

    value: float
    low: float
    high: float


def bootstrap(
    trials: Trials,
    measure: Callable[[Double | None], float],
    *,
    replicates: int = REPLICATES,
) -> Interval:
    """``measure`` of the trials' weights (None: 1 each), with a percentile interval over speakers.

    People are drawn with replacement; a trial counts as often as both of its people were drawn,
    one of a person with themselves as often as that person. Seeded: the same trials, the same
    interval.
    """
    people = int(max(trials.first.max(), trials.second.max())) + 1
    random = np.random.default_rng(0)
    found = []
    for _ in range(replicates):
        draw = random.integers(people, size=people)
        drawn = np.bincount(draw, minlength=people).astype(np.float64)
        weight = drawn[trials.first] * np.where(trials.same, 1.0, drawn[trials.second])
        if weight[trials.same].any() and weight[~trials.same].any():
            found.append(measure(weight))
    low, high = np.percentile(found, [2.5, 97.5]) if found else (np.nan, np.nan)
    return Interval(value=measure(None), low=float(low), high=float(high))


def _turns_left(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Whether the way from ``a`` by ``b`` to ``c`` is straight or turns left."""
    return (b[0] - a[0]) * (c[1] - b[1]) >= (b[1] - a[1]) * (c[0] - b[0])

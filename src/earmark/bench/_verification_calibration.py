"""Calibrations from trials, and what they are worth for people they have not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.bench._diarization import OnStep, silence
from earmark.bench._verification_score import Roc, Trials, cllr
from earmark.bench._verification_trials import Heard, TrialList, as_trials, hear, read_trials
from earmark.diarization import Diarizer
from earmark.settings import Settings
from earmark.voiceprints import DIMENSIONS, Calibration, Comparisons, fit_to_site, require_enough

__all__ = ["SiteCalibration", "calibrate", "left_out"]

Double = NDArray[np.float64]
Int = NDArray[np.int64]
Mask = NDArray[np.bool_]

_FOLDS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteCalibration:
    """A calibration made of a site's own trials, and Cllr (bits) on these.

    ``own_cllr`` is of comparisons of people who were left out of the fit, ``bundled_cllr`` with
    the calibration that comes with Earmark, ``min_cllr`` the least that any calibration can reach.
    ``unheard`` are the files without speech enough.
    """

    calibration: Calibration
    people: int
    same: int
    other: int
    bundled_cllr: float
    own_cllr: float
    min_cllr: float
    unheard: tuple[str, ...]


def calibrate(
    path: Path, audio: Path | None, *, settings: Settings, on_step: OnStep | None = None
) -> SiteCalibration:
    """Fit the scores to the trials in a file: see `read_trials` for what they look like.

    All pairs of files are compared when each folder is a person, else those that are listed.
    Raises `InvalidInput` when there are too few, and what reading the recordings raises.
    """
    say = on_step or silence
    trials = read_trials(path, audio)
    _counted(_pairs(trials)[2])  # before hours of listening
    with Diarizer(settings=settings) as diarizer:
        heard = hear(trials, diarizer, say)
    say("fitting")
    usable = np.array([voiceprint is not None for voiceprint in heard.prints])
    first, second, answers = _pairs(trials, usable)
    counts = _counted(answers)
    comparisons = _compared(heard, first, second, answers)
    bundled = Calibration.load()
    provenance = {
        "command": "earmark calibrate",
        "trials": path.name,
        "sha256": heard.sha256,
        **counts,
    }

    def fit(chosen: Comparisons) -> Calibration:
        return fit_to_site(chosen, base=bundled, provenance=provenance)

    fitted, own = fit(comparisons), left_out(comparisons, answers, fit)
    before = comparisons.llr(bundled)
    return SiteCalibration(
        calibration=fitted,
        **counts,
        bundled_cllr=cllr(before, answers.same),
        own_cllr=cllr(own, answers.same),
        min_cllr=Roc.of(before, answers.same).min_cllr,
        unheard=tuple(
            name for name, own in zip(trials.files, heard.prints, strict=True) if own is None
        ),
    )


def left_out(
    comparisons: Comparisons, answers: Trials, fit: Callable[[Comparisons], Calibration]
) -> Double:
    """The LLR of each comparison [n] by calibrations that saw neither of its people.

    People fall into five groups; every pair of groups is scored by a fit on the others.
    """
    people = int(max(answers.first.max(), answers.second.max())) + 1
    group = np.random.default_rng(0).permutation(people) % _FOLDS
    first, second = group[answers.first], group[answers.second]
    llr = np.zeros(len(answers))
    for a in range(_FOLDS):
        for b in range(a, _FOLDS):
            chosen = np.minimum(first, second) == a
            chosen &= np.maximum(first, second) == b
            if chosen.any():
                others = ~np.isin(first, (a, b)) & ~np.isin(second, (a, b))
                llr[chosen] = comparisons[chosen].llr(fit(comparisons[others]))
    return llr


def _pairs(trials: TrialList, usable: Mask | None = None) -> tuple[Int, Int, Trials]:
    """The comparisons by file, and their answers; of the ``usable`` files [n]."""
    if trials.foldered:
        first, second = np.triu_indices(len(trials.files), 1)
    else:
        first, second = np.array([(a, b) for _, a, b in trials.listed], np.int64).T
    if usable is not None:
        kept = usable[first] & usable[second]
        first, second = first[kept], second[kept]
    return first, second, as_trials(trials, first, second)


def _counted(answers: Trials) -> dict[str, int]:
    """How many people and comparisons there are. Raises `InvalidInput` when they are too few."""
    same = int(answers.same.sum())
    people = np.union1d(answers.first, answers.second)
    counts = {"people": len(people), "same": same, "other": len(answers) - same}
    require_enough(**counts)
    return counts


def _compared(heard: Heard, first: Int, second: Int, answers: Trials) -> Comparisons:
    nothing = np.zeros(DIMENSIONS, np.float32)
    return Comparisons(
        vectors=np.stack([each.vector if each else nothing for each in heard.prints]),
        net_speech_s=np.array([each.net_speech_s if each else 0.0 for each in heard.prints]),
        first=first,
        second=second,
        same=answers.same,
        weight=np.ones(len(first)),
        group=np.zeros(len(first), np.int64),
    )

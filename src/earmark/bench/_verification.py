"""How well voiceprints tell people apart, and what their scores are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.bench._diarization import OnStep, silence
from earmark.bench._machine import Machine, this_machine
from earmark.bench._verification_score import Interval, Roc, Trials, bootstrap, cllr
from earmark.bench._verification_trials import Heard, TrialList, as_trials, hear, pairs_within
from earmark.diarization import Diarizer
from earmark.errors import InvalidInput
from earmark.settings import Settings
from earmark.voiceprints import Calibration, Index, Voiceprint

__all__ = [
    "OpenSet",
    "Scored",
    "VerificationReport",
    "bench_verification",
    "open_set",
    "score_trials",
    "verification_document",
]

Double = NDArray[np.float64]

FUSED = "fused"
_WHOLE = slice(None)
SYSTEMS = {FUSED: _WHOLE, "CAM++": slice(0, 192), "WeSpeaker": slice(192, None)}
"""The scores that are compared, and the part of a voiceprint that each looks at."""

FALSE_ACCEPT_RATES = (0.05, 0.01)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """One system's figures on one corpus.

    ``pairs`` is ``all`` or ``listed``; ``same`` and ``other`` count the comparisons of each kind.
    Rates are fractions, Cllr is in bits. ``cllr`` is of the calibrated scores, ``raw_cllr`` of the
    cosine taken as if it were an LLR; a model alone has no calibration.
    """

    corpus: str
    system: str
    pairs: str
    people: int
    same: int
    other: int
    equal_error_rate: Interval
    min_dcf_01: float
    min_dcf_05: float
    raw_cllr: float
    cllr: Interval | None
    min_cllr: float


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenSet:
    """Searches for people who are enrolled, and for strangers, at a wanted false-accept rate.

    Everybody is enrolled with the first half of their files; the others are searched for, once
    with and once without their own person in the gallery of ``people``.
    """

    corpus: str
    people: int
    searches: int
    wanted: float
    false_accepts: int
    found: int
    mistaken: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VerificationReport:
    """The figures by corpus and system, and what they were measured on."""

    trials: TrialList
    heard: Heard
    machine: Machine
    calibration: Calibration
    scored: Sequence[Scored]
    open_set: Sequence[OpenSet]

    @property
    def unheard(self) -> list[str]:
        """Files without enough speech for a voiceprint, which nothing here counts."""
        return [
            name
            for name, voiceprint in zip(self.trials.files, self.heard.prints, strict=True)
            if voiceprint is None
        ]


def bench_verification(
    trials: TrialList,
    *,
    settings: Settings,
    pairs: Sequence[str] = ("all", "listed"),
    on_step: OnStep | None = None,
) -> VerificationReport:
    """Make a voiceprint of every file, compare, and score by corpus.

    Raises `InvalidInput` when the calibration of the settings is unusable or no corpus has
    comparisons of both kinds, and what reading the recordings raises.
    """
    say = on_step or silence
    calibration = Calibration.of(settings)
    with Diarizer(settings=settings) as diarizer:
        heard = hear(trials, diarizer, say)
    say("comparing")
    scored = score_trials(trials, heard, calibration, pairs=pairs)
    if not scored:
        raise InvalidInput(
            f"No corpus of {trials.path} has both trials of the same person and of two people."
        )
    return VerificationReport(
        trials=trials,
        heard=heard,
        machine=this_machine(settings),
        calibration=calibration,
        scored=scored,
        open_set=open_set(trials, heard, calibration),
    )


def score_trials(
    trials: TrialList, heard: Heard, calibration: Calibration, *, pairs: Sequence[str]
) -> list[Scored]:
    """The figures of every corpus that has comparisons of both kinds."""
    scored = []
    for kind in pairs:
        if kind == "all" and not trials.foldered:
            continue  # who nobody says are the same may still be
        for corpus in dict.fromkeys(trials.corpora):
            first, second = pairs_within(trials, heard, corpus, listed=kind == "listed")
            answers = as_trials(trials, first, second)
            if not answers.same.any() or answers.same.all():
                continue
            for system, part in SYSTEMS.items():
                cosines = _cosines(heard.prints, first, second, part)
                llr = None
                if system == FUSED:
                    own = [each for each in heard.prints if each is not None]
                    sound = calibration.sound(own)
                    place = np.cumsum([each is not None for each in heard.prints]) - 1
                    llr = calibration.llr(cosines, sound[place[first]], sound[place[second]])
                scored.append(_score(corpus, system, kind, answers, cosines, llr))
    return scored


def open_set(trials: TrialList, heard: Heard, calibration: Calibration) -> list[OpenSet]:
    """Searches in a gallery of each corpus that has three people or more."""
    found = []
    for corpus in dict.fromkeys(trials.corpora):
        own: dict[int, list[Voiceprint]] = {}
        for each, person, voiceprint in zip(
            trials.corpora, trials.people, heard.prints, strict=True
        ):
            if each == corpus and voiceprint is not None:
                own.setdefault(person, []).append(voiceprint)
        people = {person: prints for person, prints in own.items() if len(prints) > 1}
        if len(people) < 3:
            continue
        index = Index(calibration)
        index.load((str(person), prints[: len(prints) // 2]) for person, prints in people.items())
        probes = [(str(p), probe) for p, own in people.items() for probe in own[len(own) // 2 :]]
        hits = index.search_many([probe for _, probe in probes], k=2)
        for rate in FALSE_ACCEPT_RATES:
            known = calibration.threshold(rate, candidates=len(people))
            strange = calibration.threshold(rate, candidates=len(people) - 1)
            best = [each[0] for each in hits]
            others = [
                next(hit for hit in each if hit.speaker != person)
                for each, (person, _) in zip(hits, probes, strict=True)
            ]
            right = [hit.speaker == person for hit, (person, _) in zip(best, probes, strict=True)]
            passed = [hit.llr >= known for hit in best]
            found.append(
                OpenSet(
                    corpus=corpus,
                    people=len(people),
                    searches=len(probes),
                    wanted=rate,
                    false_accepts=sum(hit.llr >= strange for hit in others),
                    found=sum(a and b for a, b in zip(right, passed, strict=True)),
                    mistaken=sum(b and not a for a, b in zip(right, passed, strict=True)),
                )
            )
    return found


def verification_document(report: VerificationReport) -> dict[str, Any]:
    """The document ``earmark.bench.verification/1``. Rates are fractions, Cllr is in bits."""
    return {
        "schema": "earmark.bench.verification/1",
        "trials": report.trials.path.name,
        "files": len(report.trials.files),
        "people": report.trials.speakers,
        "sha256": report.heard.sha256,
        "without_speech": report.unheard,
        "machine": asdict(report.machine),
        "models": dict(report.heard.models),
        "calibration": dict(report.calibration.provenance),
        "scores": [asdict(each) for each in report.scored],
        "open_set": [asdict(each) for each in report.open_set],
    }


def _score(
    corpus: str, system: str, pairs: str, trials: Trials, cosines: Double, llr: Double | None
) -> Scored:
    order = np.argsort(-cosines, kind="stable")  # so that the bootstrap need not sort again
    ranked, answers = cosines[order], trials[order]
    roc = Roc.of(ranked, answers.same)
    return Scored(
        corpus=corpus,
        system=system,
        pairs=pairs,
        people=len(set(trials.first.tolist()) | set(trials.second.tolist())),
        same=int(trials.same.sum()),
        other=int((~trials.same).sum()),
        equal_error_rate=bootstrap(
            answers, lambda weight: Roc.of(ranked, answers.same, weight).equal_error_rate
        ),
        min_dcf_01=roc.min_dcf(0.01),
        min_dcf_05=roc.min_dcf(0.05),
        raw_cllr=cllr(cosines, trials.same),
        cllr=None if llr is None else bootstrap(trials, lambda w: cllr(llr, trials.same, w)),
        min_cllr=roc.min_cllr if llr is None else Roc.of(llr, trials.same).min_cllr,
    )


def _cosines(
    prints: Sequence[Voiceprint | None],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    part: slice = _WHOLE,
) -> Double:
    """The cosines of pairs of voiceprints, of one part of them."""
    used = np.unique(np.concatenate([first, second]))
    own = [voiceprint for file in used if (voiceprint := prints[file]) is not None]
    vectors = np.stack([each.vector[part] for each in own]).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    table = vectors @ vectors.T
    a, b = np.searchsorted(used, first), np.searchsorted(used, second)
    return np.asarray(table[a, b])

"""Diarization error and Jaccard error, exact: on intervals between boundaries, not on a grid.

Definitions: the NIST RT-09 evaluation plan (diarization error rate) and the second DIHARD
challenge's plan (Jaccard error rate). Overlapping speech is scored. The figures equal those of
``pyannote.metrics``, whose ``collar=0.5`` is the 0.25 s on either side used here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.diarization import Turn
from earmark.voiceprints import best_matching

__all__ = ["COLLAR", "Errors", "Score", "map_speakers", "score"]

COLLAR = 0.25
"""Seconds on either side of each reference boundary that the lenient figure leaves out."""

Region = tuple[float, float]
_Lane = int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Errors:
    """Seconds of speaker time, which add up over recordings.

    ``speech`` counts each reference speaker's time, so overlap counts twice or more.
    """

    speech: float = 0.0
    miss: float = 0.0
    false_alarm: float = 0.0
    confusion: float = 0.0

    @property
    def rate(self) -> float:
        """The diarization error rate; without any reference speech 0 or, with errors, 1."""
        wrong = self.miss + self.false_alarm + self.confusion
        return wrong / self.speech if self.speech else float(wrong > 0)

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            speech=self.speech + other.speech,
            miss=self.miss + other.miss,
            false_alarm=self.false_alarm + other.false_alarm,
            confusion=self.confusion + other.confusion,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How well turns match a reference; scores of several recordings add up.

    ``strict`` has no collar, ``lenient`` leaves out `COLLAR` around reference boundaries.
    ``jaccard`` is the sum of the reference speakers' Jaccard errors. ``speakers`` and ``found``
    count the people of the reference and of the turns; ``miscounted`` sums the differences per
    recording and ``exact`` counts the recordings without one.
    """

    strict: Errors = field(default_factory=Errors)
    lenient: Errors = field(default_factory=Errors)
    jaccard: float = 0.0
    speakers: int = 0
    found: int = 0
    miscounted: int = 0
    exact: int = 0
    recordings: int = 0

    @property
    def jaccard_rate(self) -> float:
        """The Jaccard error rate: the mean over the reference speakers, or 1 without any."""
        return self.jaccard / self.speakers if self.speakers else 1.0

    def __add__(self, other: Score) -> Score:
        return Score(
            strict=self.strict + other.strict,
            lenient=self.lenient + other.lenient,
            jaccard=self.jaccard + other.jaccard,
            speakers=self.speakers + other.speakers,
            found=self.found + other.found,
            miscounted=self.miscounted + other.miscounted,
            exact=self.exact + other.exact,
            recordings=self.recordings + other.recordings,
        )


def score(reference: Iterable[Turn], turns: Iterable[Turn], *, regions: Sequence[Region]) -> Score:
    """Score the turns of one recording.

    ``regions`` are the parts to score, in seconds: ``[(0, duration)]`` for all of it. Channels are
    scored one by one, their speakers being different people; the errors are summed.
    """
    total = Score()
    for lane_reference, lane_turns in _lanes(reference, turns):
        strict = _Timeline(lane_reference, lane_turns, regions=regions, collar=0.0)
        lenient = _Timeline(lane_reference, lane_turns, regions=regions, collar=COLLAR)
        total += Score(
            strict=strict.errors(),
            lenient=lenient.errors(),
            jaccard=strict.jaccard(),
            speakers=len(strict.reference_names),
            found=len(strict.names),
        )
    miscounted = abs(total.found - total.speakers)
    return total + Score(miscounted=miscounted, exact=int(miscounted == 0), recordings=1)


def map_speakers(
    reference: Iterable[Turn], turns: Iterable[Turn], *, regions: Sequence[Region]
) -> dict[tuple[_Lane, str], str]:
    """Which person of the reference each (channel, speaker) is, by the strict score's mapping.

    Speakers that share no time with the person they would be left with are not in it.
    """
    mapping: dict[tuple[_Lane, str], str] = {}
    for lane_reference, lane_turns in _lanes(reference, turns):
        timeline = _Timeline(lane_reference, lane_turns, regions=regions, collar=0.0)
        channel = (lane_turns or lane_reference)[0].channel
        for person, speaker in timeline.pairs():
            name = timeline.reference_names[person]
            mapping[channel, timeline.names[speaker]] = name
    return mapping


def _lanes(reference: Iterable[Turn], turns: Iterable[Turn]) -> list[tuple[list[Turn], list[Turn]]]:
    """Reference and turns per channel, in the order of the channels."""
    lanes: dict[_Lane, tuple[list[Turn], list[Turn]]] = {}
    for side, given in enumerate((reference, turns)):
        for turn in given:
            lanes.setdefault(turn.channel, ([], []))[side].append(turn)
    return [lanes[channel] for channel in sorted(lanes, key=lambda c: -1 if c is None else c)]


class _Timeline:
    """Who speaks, by reference and by the turns, in each interval between two boundaries.

    ``people`` is bool [reference speakers, intervals], ``speakers`` bool [speakers, intervals],
    ``seconds`` float64 [intervals]: the interval's length, 0 where nothing is scored.
    """

    def __init__(
        self,
        reference: Sequence[Turn],
        turns: Sequence[Turn],
        *,
        regions: Sequence[Region],
        collar: float,
    ) -> None:
        collars = [(t - collar, t + collar) for r in reference for t in (r.start, r.end)]
        times = [t for turn in (*reference, *turns) for t in (turn.start, turn.end)]
        times += [t for span in (*regions, *collars) for t in span]
        edges = np.unique(np.array(times, dtype=np.float64))
        scored = _covered(edges, regions)
        if collar > 0:
            scored &= ~_covered(edges, collars)
        self.seconds: NDArray[np.float64] = np.diff(edges) * scored
        self.reference_names, self.people = _activity(edges, reference, self.seconds)
        self.names, self.speakers = _activity(edges, turns, self.seconds)
        self._shared = (self.people * self.seconds) @ self.speakers.T.astype(np.float64)

    def pairs(self) -> list[tuple[int, int]]:
        """The one-to-one mapping of people to speakers that shares the most time."""
        both = best_matching(self._shared)
        return [(row, column) for row, column in both if self._shared[row, column] > 0]

    def errors(self) -> Errors:
        """Seconds of each kind of error."""
        people, speakers = self.people.sum(axis=0), self.speakers.sum(axis=0)
        correct = sum(float(self._shared[pair]) for pair in self.pairs())
        matchable = float(np.minimum(people, speakers) @ self.seconds)
        return Errors(
            speech=float(people @ self.seconds),
            miss=float(np.maximum(people - speakers, 0) @ self.seconds),
            false_alarm=float(np.maximum(speakers - people, 0) @ self.seconds),
            confusion=max(0.0, matchable - correct),
        )

    def jaccard(self) -> float:
        """The sum over people of 1 - (time shared with their speaker) / (time of either)."""
        partners = dict(self.pairs())
        total = 0.0
        for person, active in enumerate(self.people):
            if (speaker := partners.get(person)) is None:
                total += 1.0
                continue
            either = float((active | self.speakers[speaker]) @ self.seconds)
            total += 1.0 - float(self._shared[person, speaker]) / either
        return total


def _covered(edges: NDArray[np.float64], spans: Iterable[Region]) -> NDArray[np.bool_]:
    """Which intervals between the edges lie in one of the spans, whose ends are edges."""
    inside = np.zeros(max(len(edges) - 1, 0), dtype=bool)
    for start, end in spans:
        first, last = np.searchsorted(edges, (start, end))
        inside[first:last] = True
    return inside


def _activity(
    edges: NDArray[np.float64], turns: Sequence[Turn], seconds: NDArray[np.float64]
) -> tuple[list[str], NDArray[np.bool_]]:
    """The speakers heard where it is scored, by name, and in which intervals each talks."""
    spans: dict[str, list[Region]] = {}
    for turn in turns:
        spans.setdefault(turn.speaker, []).append((turn.start, turn.end))
    heard = [(name, _covered(edges, spans[name])) for name in sorted(spans)]
    heard = [(name, active) for name, active in heard if bool(active @ seconds > 0)]
    rows = np.array([active for _, active in heard], dtype=bool).reshape(len(heard), len(seconds))
    return [name for name, _ in heard], rows

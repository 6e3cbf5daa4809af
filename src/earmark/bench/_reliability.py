"""Whether a confidence of 0.8 is right eight times out of ten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.diarization import FrameConfidence, Turn

__all__ = ["BINS", "Reliability", "frame_reliability", "turn_reliability"]

BINS = 10
"""Bins of equal width between 0 and 1."""

_Mapping = Mapping[tuple[int | None, str], str]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reliability:
    """Confidence against fact per bin; those of several recordings add up.

    Each array is float64 [BINS]: seconds in the bin, and the sums over them of the confidence and
    of being right (1) or wrong (0).
    """

    seconds: NDArray[np.float64]
    confidence: NDArray[np.float64]
    right: NDArray[np.float64]

    @classmethod
    def of(cls, confidence: ArrayLike, right: ArrayLike, seconds: ArrayLike) -> Reliability:
        """Sort [n] confidences (0..1), how right they were (0..1) and how long they lasted."""
        claimed = np.asarray(confidence, dtype=np.float64)
        weight = np.broadcast_to(np.asarray(seconds, dtype=np.float64), claimed.shape)
        bins = np.minimum((claimed * BINS).astype(int), BINS - 1)

        def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.bincount(bins, weights=values, minlength=BINS).astype(np.float64)

        truth = np.asarray(right, dtype=np.float64)
        return cls(
            seconds=total(weight), confidence=total(weight * claimed), right=total(weight * truth)
        )

    @property
    def error(self) -> float:
        """The expected calibration error: mean |confidence - fraction right|, by time.

        Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
        binning", AAAI 2015. 0 when there is nothing.
        """
        everything = float(self.seconds.sum())
        return float(np.abs(self.confidence - self.right).sum()) / everything if everything else 0.0

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            seconds=self.seconds + other.seconds,
            confidence=self.confidence + other.confidence,
            right=self.right + other.right,
        )

    def rows(self) -> list[dict[str, float]]:
        """One row per bin that holds something: its bounds, share of the time, and means."""
        return [
            {
                "from": index / BINS,
                "to": (index + 1) / BINS,
                "share": float(self.seconds[index] / self.seconds.sum()),
                "confidence": float(self.confidence[index] / self.seconds[index]),
                "right": float(self.right[index] / self.seconds[index]),
            }
            for index in np.flatnonzero(self.seconds > 0).tolist()
        ]


def turn_reliability(
    turns: Sequence[Turn], reference: Iterable[Turn], mapping: _Mapping
) -> Reliability:
    """For turns with a confidence: the part of each that its person really speaks.

    ``mapping`` says which person of the reference a (channel, speaker) is.
    """
    spoken = _spans(reference)
    rows = []
    for turn in turns:
        if turn.confidence is None:
            continue
        person = mapping.get((turn.channel, turn.speaker))
        spans = spoken.get((turn.channel, person), ()) if person is not None else ()
        shared = sum(max(0.0, min(end, turn.end) - max(start, turn.start)) for start, end in spans)
        rows.append((turn.confidence, shared / turn.duration, turn.duration))
    confidence, right, seconds = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return Reliability.of(confidence, right, seconds)


def frame_reliability(
    frames: FrameConfidence,
    turns: Iterable[Turn],
    reference: Iterable[Turn],
    mapping: _Mapping,
) -> Reliability:
    """For each frame: whether exactly the right people are said to speak, silence included."""
    named = [
        (turn, mapping.get((turn.channel, turn.speaker), f"\0{turn.speaker}")) for turn in turns
    ]
    truth = [(turn, turn.speaker) for turn in reference]
    count = frames.values.shape[1]
    total = Reliability.of([], [], [])
    for row, values in enumerate(frames.values):
        channels: set[int | None] = {None, 0} if len(frames.values) == 1 else {row}
        wrong = np.zeros(count, dtype=bool)
        heard = _active(named, channels, frames, count)
        spoken = _active(truth, channels, frames, count)
        silent = np.zeros(count, dtype=bool)
        for name in heard.keys() | spoken.keys():
            wrong |= heard.get(name, silent) != spoken.get(name, silent)
        total += Reliability.of(values, ~wrong, frames.step)
    return total


def _active(
    turns: Iterable[tuple[Turn, str]],
    channels: set[int | None],
    frames: FrameConfidence,
    count: int,
) -> dict[str, NDArray[np.bool_]]:
    """Per name, the frames (by their middle) in which it speaks on these channels."""
    active: dict[str, NDArray[np.bool_]] = {}
    for turn, name in turns:
        if turn.channel in channels:
            row = active.setdefault(name, np.zeros(count, dtype=bool))
            first, last = (
                max(0, round((time - frames.start) / frames.step))
                for time in (turn.start, turn.end)
            )
            row[first:last] = True
    return active


def _spans(
    turns: Iterable[Turn],
) -> dict[tuple[int | None, str | None], list[tuple[float, float]]]:
    """Per (channel, speaker) the spans of speech, joined where they touch or overlap."""
    spans: dict[tuple[int | None, str | None], list[tuple[float, float]]] = {}
    for turn in sorted(turns):
        mine = spans.setdefault((turn.channel, turn.speaker), [])
        if mine and turn.start <= mine[-1][1]:
            mine[-1] = (mine[-1][0], max(mine[-1][1], turn.end))
        else:
            mine.append((turn.start, turn.end))
    return spans

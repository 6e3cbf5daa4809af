"""What is kept of sound whose evidence is forgotten: its turns, and a few voices to rename them by.

In every stretch that is put away each speaker's units become one mean. When all is heard, the means
are clustered together with what evidence there is, and the turns follow their means.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from earmark.diarization.parts import (
    FRAME_S,
    Channel,
    Clusters,
    Evidence,
    Span,
    unit_seconds,
)
from earmark.models import product
from earmark.voiceprints import unit

__all__ = ["Archive"]

Float = NDArray[np.float32]

_GROUP = 300  # means that are clustered together at once
_COARSE = 4  # frames that share one confidence

_ROW = np.dtype(
    [("start", "i4"), ("end", "i4"), ("mean", "i4"), ("confidence", "u1"), ("alone", "?")]
)


@dataclass(slots=True, eq=False)
class _Stretch:
    """Turns, in ms, and confidences of its frames, in 1/255."""

    rows: NDArray[np.void]
    confidence: NDArray[np.uint8]
    frames: int


class Archive:
    """Stretches one after the other, and the means [n, D] of all of them."""

    def __init__(self) -> None:
        self._stretches: list[_Stretch] = []
        self._total = np.zeros((0, 0), np.float32)
        self._length_s = np.zeros(0, np.float32)
        self._numbers = np.zeros(0, np.int64)

    def __bool__(self) -> bool:
        return bool(self._stretches)

    @property
    def nbytes(self) -> int:
        """Memory that is held, about."""
        held = sum(each.rows.nbytes + each.confidence.nbytes for each in self._stretches)
        return held + self._total.nbytes

    def add(
        self,
        channel: Channel,
        speakers: NDArray[np.int64],
        numbers: list[int],
        evidence: Evidence,
        *,
        windows: int,
        origin_s: float,
        since_s: float,
        until_s: float,
    ) -> None:
        """Put away what lies in ``since_s`` to ``until_s``, and the units of the first windows.

        ``speakers`` are the units' clusters, ``numbers`` who each of the channel's speakers is.
        """
        first = len(self._numbers)
        own = slice(0, int(np.searchsorted(evidence.unit_window, windows)))
        length = unit_seconds(evidence)[own]
        vectors = evidence.unit_vector[own].astype(np.float32)
        known = vectors.any(axis=1)
        found = []
        for alone, spans in ((False, channel.spans), (True, channel.exclusive)):
            for span in spans:
                start = max(origin_s + span.start, since_s)
                end = min(origin_s + span.end, until_s)
                if end - start >= 0.002:
                    times = round(start * 1000), round(end * 1000)
                    found.append((*times, span.speaker, round(span.confidence * 255), alone))
        speaking = {row[2] for row in found}
        totals: list[Float] = []
        lengths, names = [], []
        place: dict[int, int] = {}  # of the speakers' means
        for speaker, cluster in enumerate(channel.order):
            mine = known & (speakers[own] == cluster)
            if mine.any() or speaker in speaking:
                place[speaker] = first + len(totals)
                total = (vectors[mine] * length[mine, None]).sum(axis=0)
                totals.append(total if mine.any() else channel.centroids[speaker])
                lengths.append(length[mine].sum())
                names.append(numbers[speaker])
        if totals:
            fresh = np.array(totals, np.float32)
            self._total = np.concatenate([self._total, fresh]) if len(self._total) else fresh
        self._length_s = np.concatenate([self._length_s, np.array(lengths, np.float32)])
        self._numbers = np.concatenate([self._numbers, np.array(names, np.int64)])
        rows = [(start, end, place[who], sure, alone) for start, end, who, sure, alone in found]
        begin, stop = (round((time - origin_s) / FRAME_S) for time in (since_s, until_s))
        confidence = channel.confidence[begin:stop]
        self._stretches.append(
            _Stretch(
                rows=np.array(rows, _ROW),
                confidence=np.rint(confidence[::_COARSE] * 255).astype(np.uint8),
                frames=len(confidence),
            )
        )

    def relabel(self, source: int, target: int) -> None:
        """One speaker was another."""
        self._numbers[self._numbers == source] = target

    def groups(self) -> list[Clusters]:
        """The means, as clusters to begin with."""
        heard = np.flatnonzero(self._length_s > 0)
        parts = [heard[i : i + _GROUP] for i in range(0, len(heard), _GROUP)]
        return [Clusters(self._total[part], self._length_s[part]) for part in parts]

    def people(self) -> tuple[list[int], Clusters]:
        """One cluster for each number."""
        numbers = np.unique(self._numbers[self._length_s > 0])
        total = np.zeros((len(numbers), self._total.shape[1]), np.float32)
        length = np.zeros(len(numbers), np.float32)
        for i, number in enumerate(numbers.tolist()):
            own = (self._numbers == number) & (self._length_s > 0)
            total[i], length[i] = self._total[own].sum(axis=0), self._length_s[own].sum()
        return numbers.tolist(), Clusters(total, length)

    def before(
        self, channel: Channel, centroids: Float, origin_s: float, since_s: float
    ) -> Channel:
        """The answer for all sound: what is put away, and from ``since_s`` on ``channel``.

        ``channel`` counts its times from ``origin_s``, and its speakers are of ``centroids``.
        """
        whose = np.zeros(0, np.int64)
        if len(self._total):
            whose = product(unit(self._total), centroids).argmax(axis=1)
        heard = np.zeros(len(centroids), np.float32)
        heard[channel.order] = channel.net_speech_s
        np.add.at(heard, whose, self._length_s)
        rows = np.concatenate([each.rows for each in self._stretches])
        spans: dict[bool, list[Span]] = {False: [], True: []}
        for start, end, mean, sure, alone in rows.tolist():
            spans[alone].append(Span(start / 1000, end / 1000, int(whose[mean]), sure / 255))
        for alone, own in ((False, channel.spans), (True, channel.exclusive)):
            for span in own:
                start, end = max(origin_s + span.start, since_s), origin_s + span.end
                if end - start >= 0.002:
                    speaker = channel.order[span.speaker]
                    spans[alone].append(Span(start, end, speaker, span.confidence))
        first = {span.speaker: span.start for span in reversed(_united(spans[False]))}
        order = sorted(first, key=lambda cluster: (first[cluster], cluster))
        place = {cluster: i for i, cluster in enumerate(order)}

        def named(own: list[Span]) -> list[Span]:
            return [
                replace(span, speaker=place[span.speaker])
                for span in _united(own)
                if span.speaker in place
            ]

        later = round((since_s - origin_s) / FRAME_S)
        parts = [np.repeat(s.confidence, _COARSE)[: s.frames] for s in self._stretches]
        confidence = np.concatenate(parts).astype(np.float32) / np.float32(255)
        return Channel(
            spans=named(spans[False]),
            exclusive=named(spans[True]),
            order=order,
            centroids=centroids[order],
            net_speech_s=heard[order],
            confidence=np.concatenate([confidence, channel.confidence[later:]]),
        )


def _united(spans: list[Span]) -> list[Span]:
    """Spans by start; those of one speaker that touch, as cut ones do, are one."""
    last: dict[int, int] = {}
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        place = last.get(span.speaker)
        if place is not None and span.start - found[place].end < 0.004:
            found[place] = replace(found[place], end=max(found[place].end, span.end))
        else:
            last[span.speaker] = len(found)
            found.append(span)
    return found

"""The speakers of a session by number: which clusters they are, and what they sound like."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.diarization.parts import (
    Channel,
    Clusters,
    CountHint,
    Evidence,
    Parameters,
    average_linkage,
    find_voices,
    nearest_speakers,
)
from earmark.live._book import Piece, label_of
from earmark.live._changes import Merge
from earmark.models import product
from earmark.voiceprints import best_matching, unit

__all__ = ["People"]

Float = NDArray[np.float32]

_SAME_S = 1.0  # of somebody's speech that turn out to be another one's make them one
_ALIKE = 0.7  # cosine of who spoke earlier and who speaks now, if they are the same
# Measured on telephone prompts and simulated and real meetings: with these, 1 to 2 of 100 stretches
# of 1.6 s are wrongly taken for somebody new, and as few of somebody new are not.
_ASKED = 1.0  # cosine that is asked of d seconds of speech to be of a voice: this ...
_ASKED_S = (1.33, 1.3)  # ... / (1 + 1.33 / d) / (1 + 1.3 / D), the voice known from D seconds, ...
_ASKED_LEAST = 0.32  # ... or this, ...
_CLEAR = 0.15  # ... if it is so much more alike than all other voices ...
_YOUNG_S = 4.0  # ... that are known from so much speech
_LONG_S = 8.0  # of speech that somebody with a cluster is known from
_REMEMBERED = 8  # groups of units whose linkage is kept


class People:
    """Numbers are given in the order of appearance, and never again to somebody else.

    Who is heard for the first time is known by a quick voice, an embedding of one network alone,
    which is the last part of the ``dimensions`` of a cluster's centroid.
    """

    def __init__(self, hint: CountHint, parameters: Parameters, dimensions: int) -> None:
        self._hint = hint
        self._parameters = parameters
        self._dimensions = dimensions
        self._count = 0
        self._centroids = np.zeros((0, 0), np.float32)
        self._numbers: list[int] = []  # of the clusters
        self._quick: dict[int, Float] = {}  # sums of embeddings of who has no cluster yet
        self._quick_s: dict[int, float] = {}  # how much speech each of these is of
        self._since: dict[int, float] = {}  # when each was first told of
        self._linkages: dict[tuple[int, int, float], NDArray[np.int64]] = {}

    @property
    def known(self) -> list[int]:
        """The numbers of those there are now."""
        return sorted({*self._numbers, *self._quick})

    @property
    def voices(self) -> dict[int, Float]:
        """What each sounds like to the quick network: unit-norm [D]."""
        new = {number: unit(total[None])[0] for number, total in self._quick.items()}
        if not self._centroids.size:  # nobody, or nobody who was ever heard alone
            return new
        known = unit(self._centroids[:, -self._dimensions :])
        return new | dict(zip(self._numbers, known, strict=True))

    @property
    def clustered(self) -> bool:
        """Whether there are clusters."""
        return bool(self._numbers)

    def without_cluster(self, told: list[Piece], until_s: float) -> bool:
        """Whether somebody was told of before ``until_s`` whom the clusters do not know."""
        return any(
            piece.speaker not in self._numbers and min(piece.end, until_s) - piece.start > _SAME_S
            for piece in told
        )

    def full(self) -> bool:
        """Whether there can be nobody else."""
        return self._hint.most is not None and len(self.known) >= self._hint.most

    def add(self, vector: Float, seconds: float) -> int:
        """A new speaker by a quick voice; returns the number."""
        number = self._fresh()
        self._quick[number] = vector * np.float32(seconds)
        self._quick_s[number] = seconds
        return number

    def asked(self, number: int, seconds: float, alike: Mapping[int, float]) -> float:
        """The cosine from which so much speech is somebody's voice, and not of somebody new.

        ``alike`` are the cosines to all voices. The less of either there is, the less alike one
        person's are; and what is like one voice alone is hardly of somebody new.
        """
        length = self._quick_s.get(number, _LONG_S)
        asked = _ASKED / (1 + _ASKED_S[0] / seconds) / (1 + _ASKED_S[1] / length)
        rivals = [
            cosine
            for other, cosine in alike.items()
            if other != number and self._quick_s.get(other, _LONG_S) >= _YOUNG_S
        ]
        return min(asked, max(_ASKED_LEAST, max(rivals) + _CLEAR)) if rivals else asked

    def hear(self, number: int, vector: Float, seconds: float) -> None:
        """More of somebody's quick voice."""
        if number in self._quick:
            self._quick[number] += vector * np.float32(seconds)
            self._quick_s[number] += seconds

    def cluster(
        self, evidence: Evidence, earlier: Sequence[Clusters]
    ) -> tuple[NDArray[np.int64], Float]:
        """Tell the units' voices apart afresh: see `find_voices`."""
        return find_voices(
            evidence, self._hint, self._parameters, earlier=earlier, linkage=self._linkage
        )

    def nearest(self, evidence: Evidence) -> tuple[NDArray[np.int64], Float]:
        """The units' speakers by the clusters as they are."""
        return nearest_speakers(evidence, self._centroids, self._parameters), self._centroids

    def number(
        self,
        channel: Channel,
        centroids: Float,
        origin_s: float,
        until_s: float,
        told: list[Piece],
        past: tuple[list[int], Clusters] | None,
    ) -> list[int]:
        """Give new clusters the numbers of those who were told where they speak now.

        Returns those of the channel's speakers. ``channel`` is the clusters' answer, its times
        counted from ``origin_s``, which is right up to ``until_s``. ``past`` are numbers and voices
        of who spoke earlier, and may not have spoken since.
        """
        labels = sorted({piece.speaker for piece in told})
        worth = _shared(channel, origin_s, until_s, told, labels)
        numbers = [-1] * len(centroids)
        if past is not None and len(past[0]):
            alike = product(unit(past[1].total), centroids)
            for row, cluster in best_matching(alike.astype(np.float64)):
                if alike[row, cluster] > _ALIKE:
                    numbers[cluster] = past[0][row]
        rows = [row for row, cluster in enumerate(channel.order) if numbers[cluster] < 0]
        columns = [column for column, label in enumerate(labels) if label not in numbers]
        left = worth[np.ix_(rows, columns)]
        for i, j in best_matching(left) if left.size else []:
            if left[i, j] > 0:
                numbers[channel.order[rows[i]]] = labels[columns[j]]
        later = [row for row in rows if numbers[channel.order[row]] >= 0]
        for row, label in _told_first(worth, labels, [numbers[i] for i in channel.order], later):
            numbers[channel.order[row]] = label
        for cluster in channel.order:
            if numbers[cluster] < 0:
                numbers[cluster] = self._fresh()
        present = [cluster for cluster, number in enumerate(numbers) if number >= 0]
        self._centroids, self._numbers = centroids[present], [numbers[i] for i in present]
        return [numbers[cluster] for cluster in channel.order]

    def settle(
        self, told: list[Piece], settled: list[Piece], until_s: float, past: Sequence[int]
    ) -> list[Merge]:
        """Merge who has no cluster into who speaks there, as far as that is ``settled`` now.

        ``told`` are the turns as they were told before. Who is of the ``past`` stays.
        """
        merges = []
        for piece in told:
            first = self._since.get(piece.speaker, np.inf)
            self._since[piece.speaker] = min(first, piece.start)
        for label in sorted({*self._quick, *(piece.speaker for piece in told)}):
            if label in self._numbers or label in past:
                self._forget(label)
                continue
            own = [piece for piece in told if piece.speaker == label]
            shared: dict[int, float] = {}
            for piece in own:
                for other in settled:
                    both = min(piece.end, other.end) - max(piece.start, other.start)
                    if both > 0 and other.speaker != label:
                        shared[other.speaker] = shared.get(other.speaker, 0.0) + both
            best = max(shared, key=lambda number: (shared[number], -number), default=None)
            over = all(piece.end <= until_s for piece in own)
            if not over and (best is None or shared[best] < _SAME_S):
                continue  # heard just now: what comes will tell
            self._forget(label)
            if best is not None:
                since = round(self._since[label], 3)
                merges.append(Merge(source=label_of(label), target=label_of(best), since=since))
        return merges

    def of(self, channel: Channel) -> list[int]:
        """The number of each of the channel's speakers, who are of the clusters as they are."""
        return [self._numbers[cluster] for cluster in channel.order]

    def _forget(self, number: int) -> None:
        self._quick.pop(number, None)
        self._quick_s.pop(number, None)

    def _fresh(self) -> int:
        self._count += 1
        return self._count - 1

    def _linkage(self, vectors: Float, limit: float) -> NDArray[np.int64]:
        """`average_linkage`, which is not done again for a group of units that stays the same."""
        key = zlib.crc32(vectors[:, ::16].tobytes()), len(vectors), limit
        labels = self._linkages.pop(key, None)
        if labels is None:
            labels = average_linkage(vectors, limit)
        self._linkages[key] = labels
        while len(self._linkages) > _REMEMBERED:
            del self._linkages[next(iter(self._linkages))]
        return labels


def _told_first(
    worth: NDArray[np.float64], labels: list[int], numbers: list[int], rows: list[int]
) -> list[tuple[int, int]]:
    """For those of ``rows`` who were told by several labels, the first one of these, if it is free.

    The label that the row has is then merged into that one, rather than the other way round.
    """
    free = [column for column, label in enumerate(labels) if label not in numbers]
    found = []
    for row in rows:
        own = worth[row, labels.index(numbers[row])]
        first = [
            labels[column]
            for column in free
            if labels[column] < numbers[row]
            and min(own, worth[row, column]) >= _SAME_S
            and worth[:, column].argmax() == row
        ]
        if first:
            found.append((row, min(first)))
    return found


def _shared(
    channel: Channel, origin_s: float, until_s: float, told: list[Piece], labels: list[int]
) -> NDArray[np.float64]:
    """Seconds that each of the channel's speakers shares with each of the labels."""
    worth = np.zeros((len(channel.order), len(labels)))
    column = {label: i for i, label in enumerate(labels)}
    if not told:
        return worth
    start = np.array([piece.start for piece in told]) - origin_s
    end = np.array([min(piece.end, until_s) for piece in told]) - origin_s
    whose = np.array([column[piece.speaker] for piece in told])
    for span in channel.spans:
        shared = np.minimum(end, span.end) - np.maximum(start, span.start)
        np.add.at(worth[span.speaker], whose, np.maximum(shared, 0))
    return worth

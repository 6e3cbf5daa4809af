"""How many speakers there are, and what each sounds like.

Units are clustered tightly first, then clusters join while the cosine of their means is what one
speaker's clusters of that length would have: a long cluster of one person is almost constant, a
short one is noisy. What stays short is nobody (see `Parameters`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Self

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._linkage import average_linkage
from earmark.diarization._parameters import Parameters
from earmark.errors import InvalidOption
from earmark.models import product
from earmark.voiceprints import unit

__all__ = ["Clusters", "CountHint", "Linkage", "find_speakers"]

Float = NDArray[np.float32]

_GROUP = 1500  # units clustered at once: about ten minutes of talk
_MOST_CLUSTERS = 600  # clusters joined at once
_STRICTER = (1.1, 1.25, 1.5, 2.0, 4.0, 1e6)  # tried in turn when too few speakers are found


Linkage = Callable[[Float, float], NDArray[np.int64]]
"""As `average_linkage`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CountHint:
    """How many speakers the caller knows there to be: ``least`` to ``most`` (None: no limit)."""

    least: int = 0
    most: int | None = None

    @classmethod
    def of(cls, speakers: int | None, least: int | None, most: int | None) -> Self:
        """From an exact number, or limits. Raises `InvalidOption` for what makes no sense."""
        given = (("speakers", speakers), ("min_speakers", least), ("max_speakers", most))
        for name, value in given:
            if value is None:
                continue
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise InvalidOption(f"{name} is a whole number from 1 up, not {value!r}.")
        if speakers is not None and (least is not None or most is not None):
            raise InvalidOption(
                "speakers is the exact number of speakers; leave min_speakers and max_speakers out."
            )
        if least is not None and most is not None and least > most:
            raise InvalidOption(f"min_speakers {least} is more than max_speakers {most}.")
        if speakers is not None:
            least = most = speakers
        return cls(least=least or 0, most=most)

    def missed(self, found: int) -> str:
        """What to tell the caller when ``found`` speakers are not what was asked for, or ""."""
        if found < self.least:
            bound, limit = "at least ", self.least
        elif self.most is not None and found > self.most:
            bound, limit = "at most ", self.most
        else:
            return ""
        asked = f"{'' if self.least == self.most else bound}{limit}"
        noun = "speaker" if limit == 1 else "speakers"
        return f"There should be {asked} {noun}, but speech of {found} was found"


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """``total`` float32 [n, D], the sum of the members weighted by length; ``length_s`` [n]."""

    total: Float
    length_s: Float

    def pick(self, index: NDArray[np.int64]) -> Clusters:
        return Clusters(self.total[index], self.length_s[index])


def find_speakers(
    vectors: NDArray[np.float16],
    length_s: Float,
    hint: CountHint,
    parameters: Parameters,
    *,
    earlier: Sequence[Clusters] = (),
    linkage: Linkage = average_linkage,
) -> Float:
    """The speakers' unit-norm centroids [speakers, D], float32.

    ``vectors`` [n, D] are unit-norm embeddings of units in order of time, n >= 1, and ``length_s``
    [n] how much of the speech each stands for (seconds). As many speakers as ``hint`` allows are
    returned, fewer only when there are not enough units. ``earlier`` are clusters of speech that
    came before, in groups of some hundreds at most.
    """

    def clustered(strictness: float) -> Clusters:
        level = [*earlier, *_tight_clusters(vectors, length_s, parameters, strictness, linkage)]
        joined = _join(_merge_all(level, parameters, strictness), parameters, strictness)
        return _without_tail(joined, parameters, strictness)

    clusters = _settle(clustered(1.0), vectors, length_s, earlier, parameters)
    most = hint.most
    for strictness in _STRICTER:
        if len(clusters.total) >= hint.least:
            break
        clusters = clustered(strictness)
        most = hint.least
    if most is not None and len(clusters.total) > most:
        clusters = _join(clusters, parameters, -np.inf, most)
    return unit(clusters.total)


def _tight_clusters(
    vectors: NDArray[np.float16],
    length_s: Float,
    parameters: Parameters,
    strictness: float,
    linkage: Linkage,
) -> list[Clusters]:
    """Clusters of neighbouring units, group by group. The higher ``strictness``, the more."""
    level = []
    for start in range(0, len(vectors), _GROUP):
        group = vectors[start : start + _GROUP].astype(np.float32)
        labels = linkage(group, parameters.linkage / strictness)
        level.append(_sum_by(labels, group, length_s[start : start + _GROUP]))
    return level


def _merge_all(level: list[Clusters], parameters: Parameters, strictness: float) -> Clusters:
    """Join the clusters of groups into those of ever larger groups."""
    while len(level) > 1:
        level = [_merge(level[i : i + 2], parameters, strictness) for i in range(0, len(level), 2)]
    return level[0]


def _merge(groups: list[Clusters], parameters: Parameters, strictness: float) -> Clusters:
    """Join the clusters of neighbouring groups; past `_MOST_CLUSTERS` the shortest are dropped."""
    if len(groups) == 1:
        return groups[0]
    together = Clusters(
        np.concatenate([group.total for group in groups]),
        np.concatenate([group.length_s for group in groups]),
    )
    longest = np.argsort(-together.length_s, kind="stable")[:_MOST_CLUSTERS]
    return _join(together.pick(np.sort(longest)), parameters, strictness)


def _settle(
    clusters: Clusters,
    vectors: NDArray[np.float16],
    length_s: Float,
    earlier: Sequence[Clusters],
    parameters: Parameters,
) -> Clusters:
    """Give every unit, and every ``earlier`` cluster, to its nearest one and join once more."""
    centroids = unit(clusters.total)
    labels = np.empty(len(vectors), np.int64)
    total = np.zeros_like(clusters.total)
    for start in range(0, len(vectors), _GROUP):
        part = slice(start, start + _GROUP)
        own = vectors[part].astype(np.float32)
        labels[part] = product(own, centroids).argmax(axis=1)
        np.add.at(total, labels[part], own * length_s[part, None])
    length = np.bincount(labels, weights=length_s, minlength=len(centroids)).astype(np.float32)
    for group in earlier:
        nearest = product(unit(group.total), centroids).argmax(axis=1)
        np.add.at(total, nearest, group.total)
        np.add.at(length, nearest, group.length_s)
    kept = np.flatnonzero(length > 0)
    return _join(Clusters(total, length).pick(kept), parameters, 1.0)


def _join(clusters: Clusters, parameters: Parameters, strictness: float, most: int = 1) -> Clusters:
    """Join the likeliest pair of clusters again and again.

    Stops at ``most`` clusters, or when no pair is as alike as `Parameters` ask (``strictness``
    times that; minus infinity asks nothing).
    """
    total, length = clusters.total.copy(), clusters.length_s.copy()
    alive = np.ones(len(total), np.bool_)
    alike = np.stack([_likeness(total, length, i, parameters) for i in range(len(total))])
    np.fill_diagonal(alike, -np.inf)
    while alive.sum() > most:
        i, j = sorted(divmod(int(alike.argmax()), len(total)))
        if not alike[i, j] >= strictness:
            break
        total[i] += total[j]
        length[i] += length[j]
        alive[j] = False
        alike[j, :] = alike[:, j] = -np.inf
        row = np.where(alive, _likeness(total, length, i, parameters), -np.inf)
        row[i] = -np.inf
        alike[i, :] = alike[:, i] = row
    return Clusters(total, length).pick(np.flatnonzero(alive))


def _likeness(total: Float, length_s: Float, one: int, parameters: Parameters) -> Float:
    """Cosines of cluster ``one`` to all, as multiples of what makes two clusters one speaker."""
    norm = np.linalg.norm(total, axis=1)
    cosine = product(total, total[one : one + 1])[:, 0] / np.maximum(norm * norm[one], 1e-9)
    shorter = np.maximum(np.minimum(length_s, length_s[one]), 0.1)
    asked = np.clip(
        parameters.join / (1 + parameters.join_s / shorter),
        parameters.join_floor,
        parameters.join_ceiling,
    )
    return np.asarray(cosine / asked, np.float32)


def _without_tail(clusters: Clusters, parameters: Parameters, strictness: float) -> Clusters:
    """Drop clusters too short to be somebody (the longest always stays)."""
    least = np.clip(
        parameters.tail_share * clusters.length_s.sum(),
        parameters.tail_least_s,
        parameters.tail_most_s,
    )
    if strictness > 1:  # speakers are missing: look among the short ones
        least = parameters.tail_least_s / strictness
    kept = clusters.length_s >= least
    kept[clusters.length_s.argmax()] = True
    return clusters.pick(np.flatnonzero(kept))


def _sum_by(labels: NDArray[np.int64], vectors: Float, length_s: Float) -> Clusters:
    total = np.zeros((labels.max() + 1, vectors.shape[1]), np.float32)
    np.add.at(total, labels, vectors * length_s[:, None])
    return Clusters(total, np.bincount(labels, weights=length_s).astype(np.float32))

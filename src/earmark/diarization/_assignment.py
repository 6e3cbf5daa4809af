"""Which speaker each unit belongs to, given the speakers' centroids."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._evidence import Evidence
from earmark.diarization._parameters import Parameters
from earmark.models import product
from earmark.voiceprints import unit

__all__ = ["assign_units", "nearest_speakers"]

Float = NDArray[np.float32]

_ROUNDS = 2  # of moving the centroids to their units
_BATCH = 4096  # units converted to float32 at once


def assign_units(
    evidence: Evidence, centroids: Float, parameters: Parameters
) -> tuple[NDArray[np.int64], Float]:
    """The speaker of each unit [U], and the centroids [K, D] moved to the units' means.

    Two of a window's speakers who talk at the same time are two people.
    """
    rivals = _rivals(evidence)
    for _ in range(_ROUNDS):
        labels = _nearest(evidence, centroids, rivals, parameters)
        centroids = _means(evidence, labels, centroids, parameters)
    return _nearest(evidence, centroids, rivals, parameters), centroids


def nearest_speakers(
    evidence: Evidence, centroids: Float, parameters: Parameters
) -> NDArray[np.int64]:
    """The speaker of each unit [U] by centroids [K, D] that stay as they are."""
    return _nearest(evidence, centroids, _rivals(evidence), parameters)


def _nearest(
    evidence: Evidence,
    centroids: Float,
    rivals: NDArray[np.int64],
    parameters: Parameters,
) -> NDArray[np.int64]:
    scores = np.empty((len(evidence.unit_window), len(centroids)), np.float32)
    for part, vectors in _leaning(evidence, parameters):
        scores[part] = product(vectors, centroids)
    labels: NDArray[np.int64] = scores.argmax(axis=1)
    if len(centroids) > 1:
        for i, j in rivals[labels[rivals[:, 0]] == labels[rivals[:, 1]]].tolist():
            if labels[i] != labels[j]:  # an earlier pair has moved one of them
                continue
            weaker = i if scores[i, labels[i]] < scores[j, labels[j]] else j
            other = scores[weaker].copy()
            other[labels[weaker]] = -np.inf
            labels[weaker] = other.argmax()
    return labels


def _leaning(evidence: Evidence, parameters: Parameters) -> Iterator[tuple[slice, Float]]:
    """Unit vectors in batches; short units lean on the mean of their window's speaker."""
    speaker = evidence.unit_window.astype(np.int64) * 4 + evidence.unit_local
    # A window's units stand together, so a window's speakers lie within one batch of windows.
    edges = np.searchsorted(
        evidence.unit_window, np.arange(0, len(evidence.window_frame) + 256, 256)
    ).tolist()
    for first, last in pairwise(edges):
        if first == last:
            continue
        part = slice(first, last)
        own = evidence.unit_vector[part].astype(np.float32)
        clean = evidence.unit_clean_s[part, None]
        _, member = np.unique(speaker[part], return_inverse=True)
        mean = np.zeros((member.max() + 1, own.shape[1]), np.float32)
        np.add.at(mean, member, own * clean)
        trust = np.clip(clean / parameters.unit_sure_s, 0, 1)
        yield part, unit(trust * own + (1 - trust) * unit(mean)[member])


def _means(
    evidence: Evidence, labels: NDArray[np.int64], centroids: Float, parameters: Parameters
) -> Float:
    sums = np.zeros_like(centroids)
    for start in range(0, len(labels), _BATCH):
        part = slice(start, start + _BATCH)
        clean = evidence.unit_clean_s[part]
        weight = np.where(clean >= parameters.unit_clean_s, clean, 0)[:, None]
        np.add.at(sums, labels[part], evidence.unit_vector[part].astype(np.float32) * weight)
    heard = np.linalg.norm(sums, axis=1, keepdims=True) > 0
    return np.where(heard, unit(sums), centroids)


def _rivals(evidence: Evidence) -> NDArray[np.int64]:
    """Pairs of units of different speakers of one window that overlap in time: int64 [n, 2]."""
    pairs = []
    edges = np.searchsorted(evidence.unit_window, np.arange(len(evidence.window_frame) + 1))
    for first, last in pairwise(edges.tolist()):
        if last - first < 2:
            continue
        local = evidence.unit_local[first:last]
        begin, end = evidence.unit_span[first:last].T
        together = (begin[:, None] < end) & (begin < end[:, None]) & (local[:, None] != local)
        i, j = np.nonzero(np.triu(together, 1))
        if len(i):
            pairs.append(np.stack([i, j], axis=1) + first)
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)

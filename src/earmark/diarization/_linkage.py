"""Average linkage of unit-norm vectors, cut at a distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.models import product

__all__ = ["average_linkage"]


def average_linkage(vectors: NDArray[np.float32], limit: float) -> NDArray[np.int64]:
    """Cluster ``vectors`` [n, D] bottom-up by mean cosine distance while it is below ``limit``.

    Returns a label per vector, 0 .. clusters - 1 in order of first appearance. Time and memory are
    O(n^2): cut a long recording into groups first. The method is the nearest-neighbour chain
    (Murtagh 1983): two clusters that are each other's nearest are joined whatever the rest does.
    """
    count = len(vectors)
    cosine = product(vectors, vectors)
    distance = 1 - np.maximum(cosine, cosine.T)  # the same both ways to the last bit
    np.fill_diagonal(distance, np.inf)
    size = np.ones(count)
    parent = np.arange(count)
    open_ = np.ones(count, np.bool_)
    chain: list[int] = []
    for start in range(count):
        if not open_[start]:
            continue
        chain.append(start)
        while chain:
            here = chain[-1]
            near = int(distance[here].argmin())
            if len(chain) > 1 and distance[here, chain[-2]] <= distance[here, near]:
                near = chain[-2]
            if not distance[here, near] < limit:
                # Nothing will ever come within the limit of it: means do not fall below minima.
                chain.pop()
                open_[here] = False
                distance[here, :] = distance[:, here] = np.inf
            elif len(chain) > 1 and near == chain[-2]:
                del chain[-2:]
                mean = size[here] * distance[here] + size[near] * distance[near]
                mean /= size[here] + size[near]
                distance[here, :] = distance[:, here] = np.inf
                open_[here] = False
                parent[here] = near
                size[near] += size[here]
                distance[near, :] = distance[:, near] = mean
                distance[near, near] = np.inf
                chain = chain or [near]
            else:
                chain.append(near)
    return _labels(parent)


def _labels(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Follow every vector to the cluster that took it in; number those by first appearance."""
    root = parent
    while not np.array_equal(root, root[root]):
        root = root[root]
    _, first, inverse = np.unique(root, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]

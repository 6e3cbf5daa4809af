"""Average linkage against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from earmark.diarization._linkage import average_linkage
from engine import heard, voices


def partition(labels: NDArray[np.integer]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def scipys(vectors: NDArray[np.float32], limit: float) -> set[frozenset[int]]:
    tree = linkage(vectors.astype(np.float64), method="average", metric="cosine")
    return partition(fcluster(tree, limit, criterion="distance"))


@pytest.mark.parametrize("limit", [0.05, 0.3, 0.55, 0.8, 1.2])
@pytest.mark.parametrize(("people", "each", "spread"), [(1, 90, 3.0), (4, 40, 0.9), (12, 20, 1.2)])
def test_clusters_are_those_of_scipy(people: int, each: int, spread: float, limit: float) -> None:
    rng = np.random.default_rng(people)
    vectors = rng.permutation(heard(np.repeat(voices(people), each, axis=0), spread, rng))
    assert partition(average_linkage(vectors, limit)) == scipys(vectors, limit)


@given(st.integers(2, 40), st.integers(2, 6), st.integers(0, 2**32), st.floats(0.02, 1.9))
def test_clusters_are_those_of_scipy_for_any_vectors(
    count: int, dimensions: int, seed: int, limit: float
) -> None:
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    heights = linkage(vectors.astype(np.float64), method="average", metric="cosine")[:, 2]
    # Float32 may decide the other way when a join is at the limit itself.
    if np.abs(heights - limit).min() > 1e-5:
        assert partition(average_linkage(vectors, limit)) == scipys(vectors, limit)


def test_labels_count_up_in_order_of_appearance() -> None:
    a, b, c = voices(3)
    labels = average_linkage(np.stack([b, a, b, c, a, b]), 0.5)
    assert labels.tolist() == [0, 1, 0, 2, 1, 0]
    # Here the first vector draws the last one in, which takes the fifth and leaves the first.
    degrees = np.radians([12.0, 90.0, 120.0, 240.0, -10.0, 180.0, 0.0])
    circle = np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)
    assert average_linkage(circle, 0.03).tolist() == [0, 1, 2, 3, 4, 5, 4]


def test_one_vector_is_one_cluster() -> None:
    assert average_linkage(voices(1), 0.5).tolist() == [0]


def test_equal_vectors_join_whatever_the_order() -> None:
    assert average_linkage(np.repeat(voices(1), 50, axis=0), 1e-3).tolist() == [0] * 50


def test_nothing_joins_at_the_limit_itself() -> None:
    assert len(set(average_linkage(voices(5), 1.0 - 1e-6).tolist())) == 5

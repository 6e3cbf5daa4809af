"""The matching against SciPy's solver of the same problem."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from earmark.voiceprints import best_matching


@pytest.mark.parametrize("seed", range(200))
def test_is_as_good_as_the_best(seed: int) -> None:
    random = np.random.default_rng(seed)
    worth = random.random(random.integers(0, 9, 2)) * (random.random() < 0.9)
    if seed % 3 == 0:
        worth = np.round(worth * 3)  # many ties
    pairs = best_matching(worth)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(rows)
    found = sum(float(worth[pair]) for pair in pairs)
    assert found == pytest.approx(float(worth[rows, columns].sum()))

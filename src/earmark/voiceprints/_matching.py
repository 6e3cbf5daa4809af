"""The one-to-one matching of rows to columns with the largest sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_matching"]


def best_matching(worth: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (row, column) of ``worth`` [rows, columns] that add up to the most, by row.

    As many pairs as the shorter side has. The method is successive shortest augmenting paths with
    dual prices (Jonker and Volgenant 1987); O(n^3).
    """
    if worth.shape[0] > worth.shape[1]:
        return sorted((row, column) for column, row in best_matching(worth.T))
    rows, columns = worth.shape
    cost = -worth
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    owner = np.full(columns, -1)
    for start in range(rows):
        distance = np.full(columns, np.inf)
        before = np.full(columns, -1)  # the column in front of each on the shortest path
        done = np.zeros(columns, np.bool_)
        row, column, length = start, -1, 0.0
        while True:
            reach = length + cost[row] - row_price[row] - column_price
            closer = ~done & (reach < distance)
            distance[closer], before[closer] = reach[closer], column
            column = int(np.where(done, np.inf, distance).argmin())
            length = distance[column]
            done[column] = True
            if owner[column] < 0:
                break
            row = int(owner[column])
        row_price[start] += length
        settled = done & (owner >= 0)
        row_price[owner[settled]] += length - distance[settled]
        column_price[done] -= length - distance[done]
        while column >= 0:
            owner[column] = start if before[column] < 0 else owner[before[column]]
            column = int(before[column])
    return sorted((int(row), column) for column, row in enumerate(owner) if row >= 0)

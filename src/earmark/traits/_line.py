"""Values on a time line of which only the newest part is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Line"]

Float = NDArray[np.float32]


class Line:
    """Rows by their index from the beginning: appended at the end, forgotten at the front.

    ``width`` is how many values a row has; None: it is a value itself.
    """

    def __init__(self, width: int | None = None) -> None:
        self._rows = np.zeros((0,) if width is None else (0, width), np.float32)
        self._first = 0

    @property
    def end(self) -> int:
        """Index behind the last row."""
        return self._first + len(self._rows)

    def append(self, rows: Float) -> None:
        """Add rows at the end."""
        self._rows = np.concatenate([self._rows, rows])

    def forget(self, before: int) -> None:
        """Let go of the rows before an index."""
        gone = min(before - self._first, len(self._rows))
        if gone > 0:
            self._rows = self._rows[gone:].copy()
            self._first += gone

    def cut(self, start: int, stop: int) -> Float:
        """The rows from ``start`` to ``stop`` (behind) that have come and are not forgotten."""
        return self._rows[max(0, start - self._first) : max(0, stop - self._first)]

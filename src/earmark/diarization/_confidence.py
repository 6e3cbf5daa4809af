"""How sure the analysis is, frame by frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InvalidInput

__all__ = ["FrameConfidence"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrameConfidence:
    """The probability that the labels at each moment are right.

    ``values`` is float32 [channels, frames], 0..1, read-only. Frame i of a channel covers
    ``start + i * step`` to ``start + (i + 1) * step`` seconds of the recording.

    Raises `InvalidInput` for another shape, values outside 0..1, or a step that is not positive.
    """

    values: NDArray[np.float32]
    step: float
    start: float = 0.0

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float32)
        if values.ndim != 2:
            raise InvalidInput(
                f"Frame confidence has the shape [channels, frames], not {values.shape}."
            )
        if not bool(np.all((values >= 0) & (values <= 1))):
            raise InvalidInput("Frame confidence values are between 0 and 1.")
        if not (math.isfinite(self.step) and self.step > 0 and math.isfinite(self.start)):
            raise InvalidInput(
                f"Frame confidence needs a positive step, not {self.step} s from {self.start} s."
            )
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrameConfidence):
            return NotImplemented
        return (
            self.step == other.step
            and self.start == other.start
            and np.array_equal(self.values, other.values)
        )

    def __hash__(self) -> int:
        return hash((self.step, self.start, self.values.shape, self.values.tobytes()))

    def crop(self, start: float, end: float) -> FrameConfidence:
        """The frames that touch start..end (seconds)."""
        frames = self.values.shape[1]
        first = min(frames, max(0, math.floor((start - self.start) / self.step + 1e-6)))
        last = min(frames, max(first, math.ceil((end - self.start) / self.step - 1e-6)))
        return FrameConfidence(
            values=self.values[:, first:last],
            step=self.step,
            start=self.start + first * self.step,
        )

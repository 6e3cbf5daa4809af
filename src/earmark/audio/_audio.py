"""What every opened recording offers, however it is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Audio"]


class Audio(Protocol):
    """A recording being read: iterate once over its blocks, inside ``with`` or to the end.

    Blocks are float32 [channels, n], C-contiguous, finite, in [-1, 1], at 16 kHz, with
    1 <= n <= 160000. Not for use by several threads at once.
    """

    @property
    def channels(self) -> tuple[int | None, ...]:
        """The index of each channel that comes out; ``(None,)`` for the mix."""
        ...

    @property
    def start_s(self) -> float:
        """Where in the recording the first sample stands, in seconds."""
        ...

    @property
    def duration_hint(self) -> float | None:
        """Seconds that should come out, as far as the header tells; it may lie."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong and taken anyway; complete when the iteration has ended."""
        ...

    def close(self) -> None:
        """Let go of everything; nothing more comes out."""
        ...

    def __iter__(self) -> Iterator[NDArray[np.float32]]: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

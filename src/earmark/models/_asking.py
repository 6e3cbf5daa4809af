"""Work that needs networks now and then, without saying where and with whom they run.

Such work is a generator: it yields an `Ask` where a network's answer is needed, and is sent the
answer. Whoever drives it may run it alone, or put the asks of many into one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ask", "Asking", "answer_alone"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ask:
    """One run of ``network`` (a name that who drives the work knows) over ``values`` float32.

    Asks of one network whose values have one shape may share a batch: ``values`` has no axis for
    it. A ``patient`` ask is of work that nobody waits for, and goes behind all that are not.
    """

    network: str
    values: NDArray[np.float32]
    patient: bool = False


Asking: TypeAlias = Generator[Ask, NDArray[np.float32], T]
"""Work that yields asks, is sent a float32 array for each, and returns a ``T``."""


def answer_alone(
    work: Asking[T], networks: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]]
) -> T:
    """Drive ``work`` to its end on this thread; ``networks`` are functions by name."""
    try:
        ask = next(work)
        while True:
            ask = work.send(networks[ask.network](ask.values))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return] # of the work's own type

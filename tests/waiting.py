"""Waiting for what is to come, in place of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["until"]

T = TypeVar("T")


def until(
    condition: Callable[[], T | None], *, within_s: float = 60.0, what: str = "a condition"
) -> T:
    """What the condition gives once that is true; fails when it takes longer."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {within_s} s in vain for {what}"
        time.sleep(0.02)
    return found

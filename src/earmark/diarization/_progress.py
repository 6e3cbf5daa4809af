"""Telling the caller how far an analysis is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from earmark.errors import Canceled

__all__ = ["OnProgress", "Progress", "Reporter"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far an analysis is: ``fraction`` 0..1 of all, never falling, and the ``stage``.

    The stages are "analysing" (reading the recording; nearly all the time), in a diarization
    "clustering", "labelling", and "voiceprints" when those are asked for (reading it again); 1.0
    comes with the last one.
    """

    stage: str
    fraction: float


OnProgress = Callable[[Progress], bool | None]
"""Called as an analysis goes on, on the calling thread; returning False cancels it."""


class Reporter:
    """Keeps fractions from falling and turns a caller's False into `Canceled`.

    What is reported is the first ``share`` of all the work, and behind `go_on` the rest of it.
    """

    def __init__(self, on_progress: OnProgress | None, *, share: float = 1.0) -> None:
        self._on_progress = on_progress
        self._begin, self._share = 0.0, share
        self._fraction = 0.0

    def go_on(self) -> None:
        """From now on what is reported is the rest of the work."""
        self._begin, self._share = self._share, 1 - self._share

    def __call__(self, stage: str, fraction: float) -> None:
        """Report. Raises `Canceled` when the caller wants no more."""
        self._fraction = min(1.0, max(self._fraction, self._begin + fraction * self._share))
        if self._on_progress is None:
            return
        if self._on_progress(Progress(stage=stage, fraction=self._fraction)) is False:
            raise Canceled("The analysis was canceled.")

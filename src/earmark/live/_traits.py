"""Traits of a session's sound, with who speaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from earmark.live._turns import TurnTable
from earmark.models import Asking
from earmark.traits import TraitKind, TraitModels, TraitOptions, TraitReport, TraitTracker

__all__ = ["Traits"]

Float = NDArray[np.float32]

_SHORT_S = 0.5  # periods under which traits are looked at more often
_SHORT_HOP = 2048  # samples from one look to the next then


class Traits:
    """Reports of the sound, in which ``turns`` (None: nobody asked) tell who speaks.

    ``hop`` is after how many samples there may be more to tell; None where that does not matter.
    """

    def __init__(self, models: TraitModels, options: TraitOptions, turns: TurnTable | None) -> None:
        self._tracker = TraitTracker(models, options)
        self._turns = turns
        short = TraitKind.SPEECH_RT in options.kinds and options.period_s < _SHORT_S
        self.hop = _SHORT_HOP if short else None

    def step(self, samples: Float) -> Asking[list[TraitReport]]:
        """The reports that are known with these samples, the next ones."""
        return self._with_speakers((yield from self._tracker.step(samples)))

    def flush(self) -> Asking[list[TraitReport]]:
        """Those of the periods that are over."""
        return self._with_speakers((yield from self._tracker.flush()))

    def finish(self) -> Asking[list[TraitReport]]:
        """All that are left, of sound that is over."""
        return self._with_speakers((yield from self._tracker.finish()))

    def _with_speakers(self, reports: Iterable[TraitReport]) -> list[TraitReport]:
        if self._turns is None:
            return list(reports)
        found = []
        for report in reports:
            said = self._turns.between(report.start, report.end)
            speaker = max(said, key=lambda label: said[label], default=None)
            found.append(replace(report, speaker=speaker, speakers=len(said)))
        return found

"""What is wrong with a recording: raised, or noted when the caller would rather have the rest."""

from __future__ import annotations

from typing import Final

from earmark.errors import DamagedAudio, InvalidSamples

__all__ = ["Findings"]

_MOST_WARNINGS: Final = 10


class Findings:
    """Collects warnings; turns damage into errors unless ``tolerant``."""

    def __init__(self, name: str, *, tolerant: bool) -> None:
        self._name = name
        self._tolerant = tolerant
        self._notes: list[str] = []
        self._more = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """The first ten findings, and how many more there were."""
        more = (f"{self._more} more findings of this kind follow.",) if self._more else ()
        return (*self._notes, *more)

    def note(self, text: str) -> None:
        """Remember something worth saying that is no damage."""
        if len(self._notes) < _MOST_WARNINGS:
            self._notes.append(text)
        else:
            self._more += 1

    def damaged(self, reason: str, at_s: float) -> None:
        """Raise :class:`DamagedAudio`, or note it; everything before ``at_s`` was readable."""
        text = f"{self._name} is damaged at {at_s:.2f} s: {reason}"
        if not self._tolerant:
            raise DamagedAudio(
                f"{text}; on_damage='warn' takes what can be read.",
                readable_s=at_s,
            )
        self.note(f"{text}.")

    def not_finite(self, count: int, at_s: float) -> None:
        """Raise :class:`InvalidSamples`, or note that ``count`` samples were silenced."""
        text = f"{self._name} has samples that are no finite numbers from {at_s:.3f} s on"
        if not self._tolerant:
            raise InvalidSamples(f"{text}; on_damage='warn' puts silence in their place.")
        self.note(f"{text}; {count} were replaced by silence.")

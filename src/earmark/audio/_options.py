"""What the caller chose: channels and a range, checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InvalidOption

__all__ = [
    "Channels",
    "OnDamage",
    "Selection",
    "check_on_damage",
    "check_range",
    "choose_channels",
    "is_mix",
]

Channels = str | Sequence[int]
"""``mix`` (the average of all), ``mix:0,2`` (of those), ``split``, or indices of some to split."""

OnDamage = Literal["error", "warn"]

_LATEST_S = 1e9  # thirty years: what is far beyond cannot be counted in samples


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which channels of a recording leave the room, and how."""

    mix: bool
    available: int
    indices: tuple[int, ...] | None

    @property
    def channels(self) -> tuple[int | None, ...]:
        """One entry per channel that comes out: its index, or None for the mix."""
        if self.mix:
            return (None,)
        return tuple(range(self.available)) if self.indices is None else self.indices

    def fits(self, count: int) -> bool:
        """Whether the choice can be met when the recording goes on with ``count`` channels."""
        if self.indices is None:
            return self.mix or count == self.available
        return max(self.indices) < count

    def rows(self, samples: NDArray[Any]) -> NDArray[Any]:
        """The chosen channels of ``samples`` [channels, n]."""
        if self.indices is None or self.indices == tuple(range(samples.shape[0])):
            return samples
        return np.take(samples, self.indices, axis=0)

    def mixed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The average over channels, [1, n], when the mix is wanted."""
        if not self.mix or samples.shape[0] == 1:
            return samples
        average: NDArray[np.float32] = samples.mean(axis=0, keepdims=True)
        return average


def is_mix(channels: Channels) -> bool:
    """Whether one channel comes out, the average of all or of some."""
    return isinstance(channels, str) and channels.startswith("mix")


def choose_channels(channels: Channels, available: int) -> Selection:
    """Check a choice against the channels there are.

    Raises :class:`InvalidOption` with the value and what is available.
    """
    if isinstance(channels, str) and channels in ("mix", "split"):
        return Selection(mix=channels == "mix", available=available, indices=None)
    has = "the recording has only channel 0"
    if available > 1:
        has = f"the recording has channels 0 to {available - 1}"
    mix = is_mix(channels)
    if mix and re.fullmatch(r"mix:[0-9]+(,[0-9]+)*", str(channels)):
        channels = [int(index) for index in str(channels).removeprefix("mix:").split(",")]
    if isinstance(channels, str | bytes) or not isinstance(channels, Sequence):
        raise InvalidOption(
            f"channels={channels!r} is not a choice: take 'mix', 'split' or indices; {has}."
        )
    indices = tuple(c for c in channels if isinstance(c, int) and not isinstance(c, bool))
    if not indices or len(indices) < len(channels):
        raise InvalidOption(f"channels={channels!r} has to be one or more whole numbers; {has}.")
    if len(set(indices)) < len(indices):
        raise InvalidOption(f"channels={channels!r} names a channel twice; {has}.")
    if min(indices) < 0 or max(indices) >= available:
        raise InvalidOption(f"channels={channels!r} names a channel that is not there; {has}.")
    return Selection(mix=mix, available=available, indices=indices)


def check_range(start: float | None, end: float | None) -> None:
    """Check a range in seconds.

    Raises :class:`InvalidOption` unless 0 <= start < end <= 1e9.
    """
    for name, value in (("start", start), ("end", end)):
        if value is not None and not 0 <= value <= _LATEST_S:
            raise InvalidOption(
                f"{name}={value!r} has to be a number of seconds from 0 to {_LATEST_S:.0f}."
            )
    if end is not None and (start or 0.0) >= end:
        raise InvalidOption(f"start={start or 0.0!r} has to be before end={end!r} (seconds).")


def check_on_damage(on_damage: str) -> bool:
    """Whether damage is to be tolerated. Raises :class:`InvalidOption` for any other word."""
    if on_damage not in ("error", "warn"):
        raise InvalidOption(f"on_damage={on_damage!r} is not a choice: take 'error' or 'warn'.")
    return on_damage == "warn"

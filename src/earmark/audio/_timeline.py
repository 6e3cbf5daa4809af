"""Where samples stand in the recording: decoded frames laid on one line, pauses kept as silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.audio._findings import Findings

__all__ = ["Arrival", "Piece", "Timeline", "Trail"]

_GAP_S: Final = 0.01
_COARSE_GAP_S: Final = 0.1
"""A jump in the time stamps has to be longer than this, in seconds; the clocks of containers that
have their own are coarse."""

_LONGEST_GAP_S: Final = 3600.0
"""A jump longer than this, in seconds, is a broken clock and no pause."""


class Trail(NamedTuple):
    """Where packets lay in the file, in bytes.

    ``places`` are the last three that differ, this packet's last; ``end`` is where the packet
    before this one ended, 0 when that is unknown.
    """

    places: tuple[int, ...] = ()
    end: int = 0

    def then(self, place: int | None, size_before: int) -> Trail:
        """The trail one packet on."""
        if place is None or place < 0:
            return Trail()
        end = self.places[-1] + size_before if self.places else 0
        return Trail(self.places if place in self.places else (*self.places[-2:], place), end)


class Arrival(NamedTuple):
    """Decoded samples [channels, n] in the decoder's own type, and the signs that came along."""

    samples: NDArray[Any]
    rate: int
    stamp_s: float | None
    after_loss: bool
    trail: Trail


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Samples [channels, n] in the decoder's own type, and where they stand.

    ``position`` counts samples at ``rate`` (Hz) from the start of the recording.
    """

    samples: NDArray[Any]
    rate: int
    position: int


class Timeline:
    """Lays arrivals end to end, and keeps the pauses that the time stamps tell of.

    ``origin_s`` is the time stamp at which the recording starts, or None to take the first one;
    ``coarse`` says that time stamps are rounded. ``lost`` decides whether a jump is damage or a
    pause: a muted microphone, a stopped recorder, a codec that is silent in silence.
    """

    def __init__(
        self,
        findings: Findings,
        *,
        coarse: bool,
        origin_s: float | None,
        lost: Callable[[Trail], bool],
    ) -> None:
        self._findings, self._coarse, self._lost = findings, coarse, lost
        self._origin_s = origin_s
        self._position = self._rate = 0

    @property
    def seconds(self) -> float:
        """How far the recording has been laid out."""
        return self._position / self._rate if self._rate else 0.0

    def start_at(self, position: int, rate: int) -> None:
        """Begin at a sample instead of at the start; time stamps count from sample 0."""
        self._position, self._rate, self._origin_s = position, rate, 0.0

    def lay(self, arrival: Arrival) -> Iterator[Piece]:
        """The arrival in its place, after silence where the clock jumped."""
        if arrival.rate != self._rate:
            if self._rate:
                self._position = round(self._position * arrival.rate / self._rate)
            self._rate = arrival.rate
        silence = self._silence_before(arrival)
        if silence:
            quiet = np.broadcast_to(np.int16(0), (arrival.samples.shape[0], silence))
            yield Piece(samples=quiet, rate=self._rate, position=self._position)
            self._position += silence
        yield Piece(samples=arrival.samples, rate=self._rate, position=self._position)
        self._position += arrival.samples.shape[1]

    def _silence_before(self, arrival: Arrival) -> int:
        if arrival.stamp_s is None:
            return 0
        if self._origin_s is None:
            self._origin_s = arrival.stamp_s
        at_s = self.seconds
        jump = arrival.stamp_s - self._origin_s - at_s
        coarse = self._coarse and not arrival.after_loss
        if abs(jump) <= (_COARSE_GAP_S if coarse else _GAP_S):
            return 0
        if jump < 0 or jump > _LONGEST_GAP_S:
            self._origin_s += jump
            if jump > 0:
                self._findings.damaged(f"its clock jumps by {jump:.0f} s", at_s)
            return 0
        if arrival.after_loss:
            pass  # it was found and said when the frame could not be decoded
        elif self._lost(arrival.trail):
            self._findings.damaged(f"{jump:.2f} s are lost", at_s)
        else:
            self._findings.note(
                f"A pause of {jump:.2f} s at {at_s:.2f} s in the recording is silence here."
            )
        return round(jump * self._rate)

"""One turn, and what can be done with a row of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from earmark.errors import InvalidInput

__all__ = ["Turn", "clip", "one_at_a_time", "sorted_turns", "unite"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One speaker talking from ``start`` to ``end``.

    Times are seconds in the recording's own time line, kept to the millisecond (the analysis
    steps by 16.875 ms), so that every export is exact. ``channel`` counts from 0 and is None for
    a mix. ``confidence`` is the probability, 0..1 to three decimals, that the label is right, or
    None when it is not known. Turns sort by start, then end, then speaker.

    Raises `InvalidInput` for a time that is negative or not finite, a turn shorter than a
    millisecond, a speaker without a visible name, a confidence outside 0..1.
    """

    start: float
    end: float
    speaker: str
    channel: int | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        start, end = float(self.start), float(self.end)
        if not (math.isfinite(start) and math.isfinite(end)):
            raise InvalidInput(f"A turn's times must be numbers, not {start} to {end}.")
        start, end = round(start, 3), round(end, 3)
        if start < 0 or end <= start:
            raise InvalidInput(
                f"A turn cannot run from {start} s to {end} s; "
                "it starts at 0 s or later and lasts 1 ms or more."
            )
        _check_name(self.speaker)
        object.__setattr__(self, "start", start + 0.0)  # no negative zero
        object.__setattr__(self, "end", end)
        if self.channel is not None:
            if self.channel < 0:
                raise InvalidInput(f"A turn's channel counts from 0, so {self.channel} is none.")
            object.__setattr__(self, "channel", int(self.channel))
        if self.confidence is not None:
            confidence = float(self.confidence)
            if not 0.0 <= confidence <= 1.0:
                raise InvalidInput(f"A turn's confidence is between 0 and 1, not {confidence}.")
            object.__setattr__(self, "confidence", round(confidence, 3))

    @property
    def duration(self) -> float:
        """Length in seconds, to the millisecond."""
        return round(self.end - self.start, 3)

    def __lt__(self, other: Turn) -> bool:
        return _order(self) < _order(other)


def _check_name(speaker: str) -> None:
    if not isinstance(speaker, str):
        raise InvalidInput(f"A speaker's name is text, not {speaker!r}.")
    if not any(char.isprintable() and not char.isspace() for char in speaker):
        raise InvalidInput(f"A speaker needs a visible name, not {speaker!r}.")
    if any("\ud800" <= char <= "\udfff" for char in speaker):
        raise InvalidInput(f"The speaker name {speaker!r} is not valid Unicode text.")


def _order(turn: Turn) -> tuple[float, float, str, int]:
    return (turn.start, turn.end, turn.speaker, -1 if turn.channel is None else turn.channel)


def sorted_turns(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The turns by start, end, speaker, channel."""
    return tuple(sorted(turns, key=_order))


def clip(turns: Iterable[Turn], start: float, end: float) -> tuple[Turn, ...]:
    """What of each turn lies in start..end (seconds); bits below a millisecond are dropped."""
    start, end = round(start, 3), round(end, 3)
    return tuple(
        replace(turn, start=max(turn.start, start), end=min(turn.end, end))
        for turn in turns
        if min(turn.end, end) > max(turn.start, start)
    )


def unite(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Join turns of one speaker on one channel that touch or overlap.

    A joined turn's confidence is the mean over its parts weighted by their length, or None when
    one part has none.
    """
    lanes: dict[tuple[str, int | None], list[Turn]] = {}
    for turn in sorted_turns(turns):
        lanes.setdefault((turn.speaker, turn.channel), []).append(turn)
    return sorted_turns(_join(run) for lane in lanes.values() for run in _runs(lane))


def _runs(lane: list[Turn]) -> Iterator[list[Turn]]:
    """Cut one lane's turns, sorted by start, wherever there is a gap."""
    run, reach = [lane[0]], lane[0].end
    for turn in lane[1:]:
        if turn.start > reach:
            yield run
            run = []
        run.append(turn)
        reach = max(reach, turn.end)
    yield run


def _join(run: list[Turn]) -> Turn:
    if len(run) == 1:
        return run[0]
    known = [(part.confidence, part.duration) for part in run if part.confidence is not None]
    confidence = None
    if len(known) == len(run):
        confidence = sum(c * d for c, d in known) / sum(d for _, d in known)
    return replace(run[0], end=max(part.end for part in run), confidence=confidence)


def one_at_a_time(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The same turns without overlap on any channel: whoever began first keeps the floor.

    For turns that come without the engine's own exclusive version (from RTTM, say). A turn that
    lies wholly inside another one is left out; one that outlasts it begins where that ends.
    """
    floor: dict[int | None, float] = {}
    kept: list[Turn] = []
    for turn in sorted_turns(turns):
        start = max(turn.start, floor.get(turn.channel, 0.0))
        if turn.end > start:
            kept.append(replace(turn, start=start))
            floor[turn.channel] = turn.end
    return unite(kept)

"""Seconds, and the durations that the messages have in their place."""

from __future__ import annotations

import math

from google.protobuf.duration_pb2 import Duration
from phonexia.grpc.common.core_pb2 import TimeRange

from earmark.errors import InvalidOption

__all__ = ["duration", "part_of", "seconds"]

_LONGEST_S = 1e9


def duration(seconds: float) -> Duration:
    """So many seconds, to the millisecond."""
    whole, rest = divmod(round(1000 * seconds), 1000)
    return Duration(seconds=whole, nanos=rest * 1_000_000)


def seconds(duration: Duration, name: str) -> float:
    """What ``name`` is set to. Raises `InvalidOption` for what is below 0, or many years."""
    found = duration.seconds + duration.nanos / 1e9
    if not 0 <= found <= _LONGEST_S:
        raise InvalidOption(f"{name} is {found:g} s: send a time in the recording.")
    return found


def part_of(asked: TimeRange) -> tuple[float | None, float | None]:
    """Where the part that is asked for begins and ends, in seconds; None: as the recording does.

    Raises `InvalidOption` for one that has no length.
    """
    start = seconds(asked.start, "time_range.start") if asked.HasField("start") else 0.0
    end = seconds(asked.end, "time_range.end") if asked.HasField("end") else math.inf
    if end <= start:
        raise InvalidOption(
            f"time_range ends at {end:g} s and begins at {start:g} s: it has to end after that."
        )
    return start or None, None if end == math.inf else end

"""Where the chunks of a real-time call are, in the stream and in its session."""

from __future__ import annotations

import math

import pytest

from earmark.dialects.deepaffects._chunks import Places
from earmark.dialects.deepaffects._requests import read_speaker_ids
from earmark.errors import InvalidInput

RATE = 16_000


def test_chunks_that_follow_each_other_are_one_sound() -> None:
    places = Places()
    first = places.put(0.0, 30 * RATE)
    second = places.put(30.1, 4 * RATE)  # an encoder's padding is no gap
    assert (first.start, first.end, first.silence_s) == (0.0, 30.0, 0.0)
    assert (second.start, second.end, second.silence_s) == (30.0, 34.0, 0.0)
    assert second.cut(28.0, 31.0) == pytest.approx((30.1, 31.1))
    assert first.cut(28.0, 31.0) == (28.0, 30.0)
    assert first.cut(30.0, 31.0) is None


@pytest.mark.parametrize("offset", [3600.0, 0.0], ids=["a gap", "once more"])
def test_a_little_silence_is_between_those_that_do_not(offset: float) -> None:
    places = Places()
    places.put(10.0, 5 * RATE)
    later = places.put(offset, 5 * RATE)
    assert (later.silence_s, later.start, later.end) == (1.0, 6.0, 11.0)
    assert later.cut(4.0, 8.0) == (offset, offset + 2.0)


def test_a_stream_that_begins_late_begins_at_once() -> None:
    place = Places().put(7200.0, RATE)
    assert (place.silence_s, place.start) == (0.0, 0.0)
    assert place.cut(0.25, 0.5) == (7200.25, 7200.5)


@pytest.mark.parametrize("offset", [-1.0, math.nan, math.inf, 1e12])
def test_an_offset_that_is_none_leaves_the_stream_as_it_was(offset: float) -> None:
    places = Places()
    places.put(0.0, 5 * RATE)
    with pytest.raises(InvalidInput, match="segmentOffset"):
        places.put(offset, RATE)
    assert places.put(5.0, RATE).start == 5.0


def test_who_is_looked_for() -> None:
    assert read_speaker_ids("ann, bob,,ann ,") == ("ann", "bob")


@pytest.mark.parametrize("text", ["", " , ", "ann;bob", "ü", ",".join(f"s{i}" for i in range(101))])
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_speaker_ids(text)

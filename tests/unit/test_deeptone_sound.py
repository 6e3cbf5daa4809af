"""The sound in the messages of a DeepTone stream: samples, and headers that are none."""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.dialects.deeptone._sound import Sound
from earmark.errors import InvalidInput
from people import wav_of

SAMPLES = np.arange(1, 401, dtype=np.int16)
PCM = SAMPLES.tobytes()


def fmt(*, encoding: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16) -> bytes:
    frame = channels * bits // 8
    return struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, encoding, channels, rate, rate * frame, frame, bits
    )


def wav(*chunks: bytes, size: int | None = None, data: bytes = PCM) -> bytes:
    """A WAV file with these chunks before its samples, whose header tells of ``size`` bytes."""
    head = struct.pack("<4sI4s", b"RIFF", 0, b"WAVE") + b"".join(chunks)
    return head + struct.pack("<4sI", b"data", len(data) if size is None else size) + data


def cut(data: bytes, *at: int) -> list[bytes]:
    edges = [0, *sorted(each for each in at if each <= len(data)), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def heard(*messages: bytes, rate: int = 16_000) -> bytes:
    sound = Sound(rate)
    return b"".join(sound.push(message) for message in messages)


@given(st.lists(st.integers(0, len(PCM)), max_size=8))
def test_raw_samples_come_whole_however_they_are_cut(at: list[int]) -> None:
    sound = Sound(16_000)
    pieces = [sound.push(message) for message in cut(PCM, *at)]
    assert b"".join(pieces) == PCM
    assert all(len(piece) % 2 == 0 for piece in pieces)


def test_a_header_in_every_message_as_a_browser_sends_them() -> None:
    slices = [wav_of(SAMPLES[i : i + 100], rate=16_000) for i in range(0, 400, 100)]
    assert heard(*slices) == PCM


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF - 36, 0xFFFFFFFF])
def test_a_header_that_does_not_know_how_much_follows(size: int) -> None:
    assert heard(wav(fmt(), size=size), PCM) == PCM + PCM


def test_other_chunks_are_no_sound_before_or_behind_it() -> None:
    notes = struct.pack("<4sI", b"LIST", 5) + b"notes" + b"\0"
    assert heard(wav(notes, fmt(), notes) + notes, PCM) == PCM + PCM
    assert heard(wav(fmt())[:300], wav(fmt())[300:] + notes, PCM) == PCM + PCM


@given(st.lists(st.integers(0, len(PCM) + 60), max_size=8))
def test_a_file_in_pieces_of_any_size(at: list[int]) -> None:
    notes = struct.pack("<4sI", b"LIST", 8) + b"somebody"
    assert heard(*cut(wav(notes, fmt()), *at)) == PCM


@pytest.mark.parametrize("beginning", [b"R", b"RI", b"RIFF", b"RIFF\x01\x02\x03\x04WA"])
def test_samples_that_begin_like_a_header(beginning: bytes) -> None:
    assert heard(beginning, PCM)[: len(beginning)] == beginning
    assert heard(beginning + PCM) == (beginning + PCM)[: (len(beginning) + len(PCM)) // 2 * 2]


def test_a_file_begins_with_a_whole_sample() -> None:
    assert heard(PCM + b"\x7f", wav(fmt())) == PCM + PCM


def test_an_extensible_header() -> None:
    long = struct.pack("<4sIHHIIHH", b"fmt ", 40, 0xFFFE, 1, 8000, 16_000, 2, 16) + bytes(24)
    assert heard(wav(long), rate=8000) == PCM


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (fmt(channels=2), "2 channels"),
        (fmt(rate=44_100), "44100 Hz"),
        (fmt(bits=24), "24 bits"),
        (fmt(encoding=3, bits=32), "encoding 3"),
    ],
)
def test_a_file_of_another_kind_is_refused(header: bytes, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        heard(wav(header))


def test_a_header_without_a_format_is_refused() -> None:
    with pytest.raises(InvalidInput, match="does not say"):
        heard(wav())


def test_a_header_that_never_ends_is_refused() -> None:
    endless = struct.pack("<4sI4s4sI", b"RIFF", 0, b"WAVE", b"JUNK", 1 << 30)
    with pytest.raises(InvalidInput, match="65536"):
        heard(endless, *(bytes(4096) for _ in range(20)))
    with pytest.raises(InvalidInput, match="64 chunks"):
        heard(b"RIFF\0\0\0\0WAVE" + b"JUNK\0\0\0\0" * 65)

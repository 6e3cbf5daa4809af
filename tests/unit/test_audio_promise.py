"""What containers say about their own length."""

from __future__ import annotations

import numpy as np
import pytest

from audio_samples import RECIPES, make, wav
from earmark.audio._ogg import last_page_end, pages_lost
from earmark.audio._promise import _ebml_number, _promised_end, _wav_data, audio_goes_on
from earmark.audio._reader import Reader

SILENCE = np.zeros((1, 100_000), np.int16)
PAGE = b"OggS\0"


def pages(data: bytes) -> list[int]:
    return [at for at in range(len(data)) if data.startswith(PAGE, at)]


def test_wav_says_where_its_audio_lies() -> None:
    assert _wav_data(Reader(wav(SILENCE, 16000))) == (44, 200_044)
    extra = b"LIST\x03\0\0\0abc\0" + b"bext\x02\0\0\0xx"
    assert _wav_data(Reader(wav(SILENCE, 16000, extra=extra))) == (66, 200_066)


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF])
def test_a_streamed_wav_promises_nothing(size: int) -> None:
    reader = Reader(wav(SILENCE, 16000, data_size=size))
    assert _promised_end(reader, "wav") is None
    assert not audio_goes_on(reader)


def test_three_gigabytes_are_a_size_like_any_other() -> None:
    reader = Reader(wav(SILENCE, 16000, data_size=3 << 30))
    assert _wav_data(reader) == (44, 44 + (3 << 30))


def test_audio_past_the_size_in_the_header_is_noticed() -> None:
    assert audio_goes_on(Reader(wav(SILENCE + 7, 16000, data_size=1000)))
    assert not audio_goes_on(Reader(wav(SILENCE, 16000)))
    assert not audio_goes_on(Reader(wav(SILENCE, 16000) + b"\0" * 500))
    tags = b"LIST" + (100_000).to_bytes(4, "little") + bytes(100_000)
    assert not audio_goes_on(Reader(wav(SILENCE, 16000) + tags))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x81", (1, 1)),
        (b"\x40\x02", (2, 2)),
        (b"\x01\0\0\0\0\0\x10\0", (4096, 8)),
        (b"\xff", (None, 1)),
        (b"\x01\xff\xff\xff\xff\xff\xff\xff", (None, 8)),
        (b"\0", (None, 0)),
        (b"", (None, 0)),
    ],
)
def test_ebml_numbers(data: bytes, expected: tuple[int | None, int]) -> None:
    assert _ebml_number(data, 0) == expected


@pytest.mark.parametrize(
    ("name", "container"),
    [
        ("w64", "w64"),
        ("caf", "caf"),
        ("aiff", "aiff"),
        ("avi-mp3", "avi"),
        ("webm-opus", "matroska,webm"),
        ("wma", "asf"),
        ("ogg-opus", "ogg"),
    ],
)
def test_whole_files_keep_their_promise(name: str, container: str) -> None:
    data = make(name)
    end = _promised_end(Reader(data), container)
    assert end is not None
    assert len(data) - 600 < end <= len(data)
    assert name in RECIPES


def test_an_ogg_page_that_breaks_off_is_seen() -> None:
    data = make("ogg-opus")
    assert last_page_end(Reader(data)) == len(data)
    for cut in (1, 100, len(data) - pages(data)[-1] - 10):
        end = last_page_end(Reader(data[:-cut]))
        assert end is not None
        assert end > len(data) - cut
    assert last_page_end(Reader(data[: pages(data)[-1]])) == pages(data)[-1]


def test_missing_ogg_pages_are_counted() -> None:
    data = make("ogg-opus", seconds=4.0)
    at = pages(data)
    assert not pages_lost(Reader(data), at[1:4])
    assert pages_lost(Reader(data), [at[1], at[3]])
    assert pages_lost(Reader(data), [at[1], at[2] + 5])
    assert pages_lost(Reader(data), [at[1], len(data)])

from __future__ import annotations

import pytest

from earmark.cli._options import Format, clock_text, length_text, parse_channels, parse_time
from earmark.diarization import FORMATS
from earmark.errors import InvalidOption


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0.5", 0.5), ("1:30", 90), ("01:02:03.5", 3723.5), ("100:00", 6000), (".5", 0.5)],
)
def test_a_time(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "-1", "1:60", "1:2:3:4", "nan", "inf", "1e3", "1:", "٣", "1.2.3", "12s"]
)
def test_no_time(text: str) -> None:
    with pytest.raises(InvalidOption, match="is no time"):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("mix", "mix"),
        ("split", "split"),
        ("0", (0,)),
        ("0,2", (0, 2)),
        (" 1 , 0 ", (1, 0)),
        ("mix:2, 0", "mix:2,0"),
    ],
)
def test_channels(text: str, channels: object) -> None:
    assert parse_channels(text) == channels


@pytest.mark.parametrize("text", ["", "left", "-1", "0,", "mix:", "split:0", "0;1", "²", "Mix"])
def test_no_channels(text: str) -> None:
    with pytest.raises(InvalidOption, match="names no channels"):
        parse_channels(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3723.4, "1:02:03")]
)
def test_clock_text(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_the_command_line_offers_every_format() -> None:
    assert [str(each) for each in Format] == list(FORMATS)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0.0 s"), (1.94, "1.9 s"), (61, "1:01")])
def test_length_text(seconds: float, text: str) -> None:
    assert length_text(seconds) == text


def test_a_channel_is_named_once() -> None:
    with pytest.raises(InvalidOption, match="--channels 0,1,0 names a channel twice"):
        parse_channels("0,1,0")

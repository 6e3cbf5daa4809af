"""The caller's choices: channels, range, what to do with damage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from earmark.audio._options import check_on_damage, check_range, choose_channels
from earmark.errors import InvalidOption


def test_mix_is_one_nameless_channel() -> None:
    assert choose_channels("mix", 3).channels == (None,)


def test_split_and_list_name_their_channels() -> None:
    assert choose_channels("split", 3).channels == (0, 1, 2)
    assert choose_channels([2, 0], 3).channels == (2, 0)


def test_rows_of_a_list_come_in_the_order_asked_for() -> None:
    samples = np.arange(6).reshape(3, 2)
    assert choose_channels([2, 0], 3).rows(samples).tolist() == [[4, 5], [0, 1]]


def test_mix_is_the_average() -> None:
    samples = np.array([[1.0, 0.5], [0.0, -0.5]], np.float32)
    assert choose_channels("mix", 2).mixed(samples).tolist() == [[0.5, 0.0]]


def test_a_mix_of_some_is_their_average() -> None:
    chosen = choose_channels("mix:0,2", 3)
    samples = np.array([[1.0], [9.0], [0.5]], np.float32)
    assert chosen.channels == (None,)
    assert chosen.mixed(chosen.rows(samples)).tolist() == [[0.75]]
    assert (chosen.fits(3), chosen.fits(2)) == (True, False)


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ([2], "channels=[2] names a channel that is not there; the recording has channels 0 to 1"),
        ([0, -1], "not there"),
        ([0, 0], "twice"),
        ("mix:2", "names a channel that is not there"),
        ("mix:0,0", "twice"),
        ("mix:", "'mix:' is not a choice"),
        ([], "one or more whole numbers"),
        ([0.0], "one or more whole numbers"),
        ([True], "one or more whole numbers"),
        ("left", "'left' is not a choice"),
        (b"\x00", "is not a choice"),
        (1, "channels=1 is not a choice"),
        (np.array([0]), "is not a choice"),
        (None, "is not a choice"),
    ],
)
def test_a_bad_choice_says_what_is_available(channels: Any, words: str) -> None:
    with pytest.raises(InvalidOption) as raised:
        choose_channels(channels, 2)
    assert words in str(raised.value)
    assert "channels 0 to 1" in str(raised.value)


def test_a_mono_recording_has_only_channel_0() -> None:
    with pytest.raises(InvalidOption, match="only channel 0"):
        choose_channels([1], 1)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (-0.1, None),
        (None, 0.0),
        (None, -1.0),
        (1.0, 1.0),
        (2.0, 1.0),
        (float("nan"), None),
        (float("inf"), None),
        (None, float("inf")),
        (1e308, None),  # finite, and infinitely many samples
    ],
)
def test_a_bad_range_is_refused(start: float | None, end: float | None) -> None:
    with pytest.raises(InvalidOption):
        check_range(start, end)


def test_a_range_may_be_open() -> None:
    check_range(None, None)
    check_range(0.0, 0.5)
    check_range(3.0, None)


def test_damage_is_an_error_or_a_warning() -> None:
    assert check_on_damage("warn") is True
    assert check_on_damage("error") is False
    with pytest.raises(InvalidOption, match="'ignore'"):
        check_on_damage("ignore")

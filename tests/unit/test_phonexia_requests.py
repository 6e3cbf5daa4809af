"""What Phonexia's clients may ask for, and what is refused where."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from earmark.dialects.phonexia._requests import DiarizationConfig, Selection
from earmark.errors import InvalidInput
from earmark.service import JobOptions


def wrong(query: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    """Where and how a query is refused."""
    with pytest.raises(ValidationError) as caught:
        Selection.model_validate(query)
    return [(each["loc"], each["type"]) for each in caught.value.errors()]


def wrong_config(text: str) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(RequestValidationError) as caught:
        DiarizationConfig.read(text)
    return [(each["loc"], each["type"]) for each in caught.value.errors()]


def test_without_parameters_every_channel_is_split_from_start_to_end() -> None:
    assert Selection().options() == JobOptions(channels="split")


@pytest.mark.parametrize(
    ("query", "channels"),
    [
        ({"channel_mode": "mix"}, "mix"),
        ({"channels": ""}, "split"),
        ({"channels": "0"}, (0,)),
        ({"channels": "2,0,2"}, (0, 2)),
        ({"channels": "3,1", "channel_mode": "mix"}, "mix:1,3"),
    ],
)
def test_channels(query: dict[str, str], channels: str | tuple[int, ...]) -> None:
    assert Selection.model_validate(query).options().channels == channels


def test_a_range_is_seconds() -> None:
    options = Selection.model_validate({"range_from": "1.5", "range_to": "5"}).options()
    assert (options.start, options.end) == (1.5, 5.0)


@pytest.mark.parametrize("channels", ["a", "0, 1", "0,", ",0", "-1", "1.0", "٣", "0" * 1001, "\n"])
def test_channels_are_numbers_separated_by_commas(channels: str) -> None:
    assert [where for where, _ in wrong({"channels": channels})] == [("channels",)]


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ({"range_from": "-0.1"}, "greater_than_equal"),
        ({"range_from": "nan"}, "finite_number"),
        ({"range_from": "1e308"}, "less_than_equal"),
        ({"range_to": "inf"}, "finite_number"),
        ({"range_to": "0"}, "greater_than"),
        ({"range_to": ""}, "float_parsing"),
        ({"channel_mode": "left"}, "literal_error"),
    ],
)
def test_a_value_out_of_range_is_named(query: dict[str, str], kind: str) -> None:
    assert wrong(query) == [((next(iter(query)),), kind)]


@pytest.mark.parametrize("end", ["2", "1.5"])
def test_a_range_has_to_hold_something(end: str) -> None:
    assert wrong({"range_from": "2", "range_to": end}) == [((), "range.empty")]


def test_everything_wrong_is_told_at_once() -> None:
    assert len(wrong({"range_from": "x", "range_to": "y", "channels": "z"})) == 3


@given(st.text(max_size=40))
def test_any_text_is_channels_or_an_error(text: str) -> None:
    try:
        indices = Selection(channels=text).indices
    except ValidationError:
        return
    assert set(map(str, indices)) == {str(int(part)) for part in text.split(",") if part}


@pytest.mark.parametrize("text", ["", " ", "{}", '{"max_speakers": null}', '{"language": "cs"}'])
def test_without_a_limit_there_are_at_most_a_hundred_speakers(text: str) -> None:
    config = DiarizationConfig.read(text)
    assert (config.total_speakers, config.most) == (None, 100)


def test_a_limit_or_an_exact_number_of_speakers() -> None:
    assert DiarizationConfig.read('{"max_speakers": 3}').most == 3
    exact = DiarizationConfig.read('{"max_speakers": null, "total_speakers": 2, "x": [1]}')
    assert (exact.total_speakers, exact.most) == (2, None)


def test_both_exclude_each_other() -> None:
    both = json.dumps({"max_speakers": 3, "total_speakers": 2})
    assert wrong_config(both) == [(("body", "config"), "config.mutually-exclusive")]


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", True, [], {}])
@pytest.mark.parametrize("name", ["max_speakers", "total_speakers"])
def test_a_number_of_speakers_is_a_whole_number_from_1_up(name: str, value: object) -> None:
    ((where, _),) = wrong_config(json.dumps({name: value}))
    assert where == ("body", "config", name)


@pytest.mark.parametrize("text", ["[]", "null", "3", '"x"'])
def test_a_config_is_an_object(text: str) -> None:
    assert wrong_config(text) == [(("body", "config"), "model_type")]


@pytest.mark.parametrize("text", ["{", "max_speakers=3", "{'max_speakers': 3}", "nothing"])
def test_what_is_no_json_cannot_be_parsed(text: str) -> None:
    with pytest.raises(InvalidInput, match="'config' is not JSON"):
        DiarizationConfig.read(text)

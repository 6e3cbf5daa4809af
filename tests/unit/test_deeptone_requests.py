"""What DeepTone's clients may ask for, and what is refused with which words."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from earmark.dialects.deeptone._requests import FileAsked, StreamAsked
from earmark.errors import InvalidOption
from earmark.service import JobOptions
from earmark.traits import TraitKind, TraitOptions

OFFERED = "speech, speech-rt, gender, speaker-map"


def stream(query: str) -> StreamAsked:
    return StreamAsked.read(QueryParams(query))


def file(query: str) -> FileAsked:
    return FileAsked.read(QueryParams(query))


def test_what_is_not_said_of_a_stream() -> None:
    asked = stream("models=speech")
    assert asked.config.traits == TraitOptions(
        kinds=(TraitKind.SPEECH,), period_s=1.024, volume_least=0.001
    )
    assert (asked.config.format.sample_rate, asked.config.turns, asked.raw) == (
        16_000,
        False,
        False,
    )


def test_all_that_can_be_said_of_a_stream() -> None:
    asked = stream(
        "models=gender,speech-rt&models=speaker-map&models=gender&output_period=512"
        "&include_raw_values=true&volume_threshold=0.01&sample_rate=44100&gallery=staff&gallery=x"
    )
    assert asked.models == ("gender", "speech-rt", "speaker-map")
    assert asked.config.traits == TraitOptions(
        kinds=(TraitKind.GENDER, TraitKind.SPEECH_RT), period_s=0.512, volume_least=0.01
    )
    assert (asked.config.format.sample_rate, asked.config.turns, asked.raw) == (44_100, True, True)
    assert asked.galleries == ("staff", "x")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", OFFERED),
        ("models=", OFFERED),
        ("models=emotions", f"'emotions' here. The models offered are {OFFERED}"),
        ("models=speech,arousal", "'arousal'"),
        ("models=Speech", "'Speech'"),
        ("models=speech&output_period=1000", "multiple of 64 ms"),
        ("models=speech&output_period=0", "from 64 to 59968"),
        ("models=speech&output_period=60032", "from 64 to 59968"),
        ("models=speech&output_period=64.0", "'64.0'"),
        ("models=speech&output_period=٦٤", "output_period"),
        ("models=speech&volume_threshold=loud", "'loud'"),
        ("models=speech&volume_threshold=nan", "'nan'"),
        ("models=speech&volume_threshold=1.5", "from 0 to 1"),
        ("models=speech&include_raw_values=maybe", "true or false"),
        ("models=speech&sample_rate=7999", "8000 to 192000"),
        ("models=speech&sample_rate=x", "sample_rate"),
        ("models=speech&gallery=staff", "speaker-map"),
    ],
)
def test_what_a_stream_is_refused(query: str, told: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        _ = stream(query).config
    assert told in str(caught.value)


def test_what_is_asked_of_a_file() -> None:
    asked = file("models=speaker-map&output_period=4096&include_summary=true&channel=1")
    assert asked.options == JobOptions(
        channels=(1,),
        traits=TraitOptions(kinds=(), period_s=4.096, volume_least=0.001),
        turns=True,
        limit_s=409_600.0,
    )
    assert asked.document() == {
        "models": ["speaker-map"],
        "output_period": 4096,
        "include_summary": True,
        "include_transitions": False,
        "include_raw_values": False,
        "volume_threshold": 0.001,
        "channel": 1,
    }
    assert FileAsked.of_document(asked.document()) == asked


def test_every_channel_of_a_file_is_for_itself() -> None:
    asked = file("models=speech&include_transitions=True&volume_threshold=0")
    assert asked.options.channels == "split"
    assert asked.transitions
    assert "channel" not in asked.document()


@pytest.mark.parametrize("query", ["channel=-1", "channel=1000", "gallery=staff", "channel=left"])
def test_what_a_file_is_refused(query: str) -> None:
    with pytest.raises(InvalidOption):
        file(f"models=speech,speaker-map&{query}")

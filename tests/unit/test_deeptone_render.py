"""Periods of sound in DeepTone's shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.datastructures import QueryParams

from earmark.dialects.deeptone._render import People, results_message
from earmark.dialects.deeptone._requests import FileAsked, StreamAsked
from earmark.dialects.deeptone._results import channel_result
from earmark.traits import Trait, TraitKind, TraitReport

MALE = Trait(result="male", confidence=0.70884, raw={"male": 0.87889, "female": 0.12111})
SPEECH = Trait(result="speech", confidence=0.9, raw={"speech": 0.9, "music": 0.06, "other": 0.04})
SILENCE = Trait(result="silence", confidence=1.0)


def report(
    i: int, *, speaker: str | None = None, speakers: int = 0, volume: float = 0.1, **traits: Trait
) -> TraitReport:
    return TraitReport(
        start=i * 1.024,
        end=(i + 1) * 1.024,
        volume=volume,
        traits={TraitKind(name): trait for name, trait in traits.items()},
        speaker=speaker,
        speakers=speakers,
    )


def stream(query: str) -> StreamAsked:
    return StreamAsked.read(QueryParams(query))


def test_the_message_is_by_channel_and_flat() -> None:
    message = results_message(report(3, gender=MALE), stream("models=gender"), People())
    gender = {"result": "male", "confidence": 0.7088}
    assert message == {
        "message_type": "results",
        "timestamp": 3072.0,
        "results": {
            "gender": gender,
            "channels": {"0": {"timestamp": 3072.0, "results": {"gender": gender}}},
        },
    }


def test_raw_values_are_beside_the_results_in_both_places() -> None:
    asked = stream("models=gender,speech&include_raw_values=true")
    message = results_message(report(0, gender=MALE, speech=SILENCE), asked, People())
    raw = {"gender": {"male": 0.8789, "female": 0.1211}}  # silence was read from the volume alone
    assert message["raw"] == message["results"]["channels"]["0"]["raw"] == raw
    assert message["results"]["speech"] == {"result": "silence", "confidence": 1.0}


def tops(people: People, *reports: TraitReport) -> list[tuple[str, int]]:
    asked = stream("models=speaker-map")
    shown = [results_message(each, asked, people)["results"]["speaker-map"] for each in reports]
    assert all(each.keys() == {"speaker_top", "speaker_count"} for each in shown)
    return [(each["speaker_top"], each["speaker_count"]) for each in shown]


def test_people_are_numbered_as_they_appear() -> None:
    assert tops(
        People(),
        report(0),
        report(1, speaker="SPEAKER_04", speakers=1),
        report(2, speaker="SPEAKER_00", speakers=2),
        report(3, speaker="SPEAKER_04", speakers=1, volume=0.0005),
        report(4, speaker="SPEAKER_04", speakers=1),
    ) == [("no_speech", 0), ("speaker_1", 1), ("speaker_2", 2), ("no_speech", 0), ("speaker_1", 1)]


def test_who_is_recognised_has_a_name_from_then_on() -> None:
    people = People()
    ann = report(0, speaker="A", speakers=1)
    assert tops(people, ann) == [("speaker_1", 1)]
    people.recognise("A", ("id-1", "Ann"))
    assert tops(people, ann) == [("Ann", 1)]
    people.recognise("A", None)
    assert tops(people, ann) == [("speaker_1", 1)]


def test_names_that_would_mislead_are_told_with_the_number() -> None:
    people = People()
    people.recognise("A", ("id-1", "Ann"))
    people.recognise("B", ("id-2", "Ann"))
    people.recognise("C", ("id-3", "no_speech"))
    people.recognise("D", ("id-4", "speaker_1"))
    people.recognise("E", ("id-5", "Bob"))
    people.recognise("F", ("id-5", "Bob"))  # one person, whom the engine takes for two
    assert [people.called(label) for label in "ABCDEF"] == [
        *("Ann (speaker_1)", "Ann (speaker_2)", "no_speech (speaker_3)"),
        *("speaker_1 (speaker_4)", "Bob", "Bob"),
    ]


def channel(query: str, series: Sequence[TraitReport]) -> dict[str, Any]:
    asked = FileAsked.read(QueryParams(query + "&include_summary=true&include_transitions=true"))
    return channel_result(series, asked)


def test_a_channel_of_a_file() -> None:
    series = [report(0, speech=SPEECH), report(1, speech=SILENCE), report(2, speech=SILENCE)]
    shown = channel("models=speech", series)
    assert shown["time_series"] == [
        {"timestamp": 0, "results": {"speech": {"result": "speech", "confidence": 0.9}}},
        {"timestamp": 1024, "results": {"speech": {"result": "silence", "confidence": 1.0}}},
        {"timestamp": 2048, "results": {"speech": {"result": "silence", "confidence": 1.0}}},
    ]
    assert shown["summary"] == {
        "speech": {
            "speech_fraction": 0.3333,
            "music_fraction": 0.0,
            "other_fraction": 0.0,
            "silence_fraction": 0.6667,
        }
    }
    assert shown["transitions"]["speech"] == [
        {"timestamp_start": 0, "timestamp_end": 1024, "result": "speech", "confidence": 0.9},
        {"timestamp_start": 1024, "timestamp_end": 3072, "result": "silence", "confidence": 1.0},
    ]


def test_the_people_of_a_channel() -> None:
    speakers = ["B", "A", "A", None]
    series = [report(i, speaker=each, speakers=1) for i, each in enumerate(speakers)]
    shown = channel("models=speaker-map", series)
    assert shown["summary"]["speaker-map"] == {
        "speaker_count": 2,
        "speaker_1_fraction": 0.25,
        "speaker_2_fraction": 0.5,
        "no_speech_fraction": 0.25,
    }
    assert shown["transitions"]["speaker-map"] == [
        {"timestamp_start": 0, "timestamp_end": 1024, "result": "speaker_1"},
        {"timestamp_start": 1024, "timestamp_end": 3072, "result": "speaker_2"},
        {"timestamp_start": 3072, "timestamp_end": 4096, "result": "no_speech"},
    ]


def test_a_channel_without_sound() -> None:
    shown = channel("models=gender", [])
    assert shown["time_series"] == shown["transitions"]["gender"] == []
    assert set(shown["summary"]["gender"].values()) == {0.0}

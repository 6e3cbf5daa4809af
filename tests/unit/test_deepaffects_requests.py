"""What clients may send to the DeepAffects dialect."""

from __future__ import annotations

from typing import Any

import pytest

from earmark.dialects.deepaffects._requests import (
    DeleteRequest,
    DiarizeRequest,
    EnrollRequest,
    IdentifyRequest,
    Recorded,
    SpeechRequest,
    read,
    read_request_id,
    read_speaker_id,
)
from earmark.errors import InvalidInput

SDK = {
    "encoding": "wav",
    "sampleRate": 16000,
    "languageCode": "en-US",
    "content": "",
    "speakers": -1,
    "audioType": "default",
    "vad": True,
}
PAGES = {
    "encoding": "Wave",
    "sampleRate": "8000",
    "languageCode": "en-US",
    "content": "",
    "speakerCount": 2,
    "audioType": "callcenter",
    "speakerIds": ["user1"],
    "doVad": False,
    "separateSpeakerPerChannel": True,
    "source": "phone",
}


def test_the_body_of_the_vendors_package() -> None:
    asked = read(DiarizeRequest, SDK, True)
    assert (asked.speaker_count, asked.speaker_ids) == (-1, ())
    assert not asked.separate_speaker_per_channel


def test_the_body_of_the_vendors_pages() -> None:
    asked = read(DiarizeRequest, PAGES, True)
    assert (asked.speaker_count, asked.speaker_ids) == (2, ("user1",))
    assert asked.separate_speaker_per_channel


def test_null_is_nothing() -> None:
    members = {"speakers": None, "speakerCount": 3, "speakerIds": None, "url": None}
    assert read(DiarizeRequest, members, True).speaker_count == 3


@pytest.mark.parametrize(
    ("url", "recording", "said"),
    [("https://example.com/a.wav", True, "both of them"), (None, False, "neither")],
)
@pytest.mark.parametrize("model", [DiarizeRequest, SpeechRequest])
def test_exactly_one_recording(
    model: type[Recorded], url: str | None, recording: bool, said: str
) -> None:
    with pytest.raises(InvalidInput, match=f"Exactly one of url and content .*{said}"):
        read(model, {"url": url}, recording)
    assert read(model, {"url": "https://example.com"}, False).url == "https://example.com"


def test_an_order_without_a_recording() -> None:
    assert read(DeleteRequest, {"speakerId": "user_1"}, False).speaker_id == "user_1"


@pytest.mark.parametrize(
    ("model", "members", "field"),
    [
        (EnrollRequest, {}, "speakerId"),
        (EnrollRequest, {"speakerId": ""}, "speakerId"),
        (EnrollRequest, {"speakerId": "Ann Lee"}, "speakerId"),
        (EnrollRequest, {"speakerId": "ann-lee"}, "speakerId"),
        (EnrollRequest, {"speakerId": "zoë"}, "speakerId"),
        (EnrollRequest, {"speakerId": "ann\n"}, "speakerId"),
        (EnrollRequest, {"speakerId": "a" * 201}, "speakerId"),
        (EnrollRequest, {"speakerId": 5}, "speakerId"),
        (IdentifyRequest, {}, "speakerIds"),
        (IdentifyRequest, {"speakerIds": []}, "speakerIds"),
        (IdentifyRequest, {"speakerIds": "ann"}, "speakerIds"),
        (IdentifyRequest, {"speakerIds": ["ann"] * 101}, "speakerIds"),
        (DiarizeRequest, {"speakerIds": ["ann"] * 101}, "speakerIds"),
        (IdentifyRequest, {"speakerIds": ["ann", "a b"]}, "speakerIds.1"),
        (DiarizeRequest, {"speakers": 0}, "speaker"),
        (DiarizeRequest, {"speakerCount": -2}, "speakerCount"),
        (DiarizeRequest, {"speakerCount": 2.5}, "speakerCount"),
        (SpeechRequest, {"minNonSpeechDuration": -1}, "minNonSpeechDuration"),
        (SpeechRequest, {"minNonSpeechDuration": "nan"}, "minNonSpeechDuration"),
    ],
)
def test_what_cannot_be_names_the_field(
    model: type[Recorded], members: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput, match=f"The body cannot be used: {field}.*: "):
        read(model, members, True)


def test_ids_in_a_query() -> None:
    assert read_speaker_id("Ann_1") == "Ann_1"
    for wrong in (None, "", "a b", "ann\n"):
        with pytest.raises(InvalidInput, match="speakerId has"):
            read_speaker_id(wrong)
    assert read_request_id("r 1") == "r 1"
    assert read_request_id("") is None
    assert read_request_id(None) is None
    for wrong in ("x" * 256, "a\0b", "a\nb"):
        with pytest.raises(InvalidInput, match="request_id has"):
            read_request_id(wrong)

"""What a diarization request may hold, and which field is blamed for what."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from earmark.dialects.pyannoteai._requests import DiarizeRequest, media_key
from earmark.errors import InvalidInput
from earmark.service import JobOptions

# What the vendor's client sends when its user gave nothing but the recording.
FROM_THE_SDK: dict[str, Any] = {
    "url": "media://800ea341",
    "model": "precision-2",
    "numSpeakers": None,
    "minSpeakers": None,
    "maxSpeakers": None,
    "confidence": False,
    "turnLevelConfidence": False,
    "exclusive": False,
    "transcription": False,
}
EVERYTHING_NULL: dict[str, Any] = {
    **dict.fromkeys(FROM_THE_SDK),
    "url": "media://a",
    "webhook": None,
    "webhookStatusOnly": None,
    "transcriptionConfig": None,
}


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ({}, JobOptions()),
        (FROM_THE_SDK, JobOptions()),
        (EVERYTHING_NULL, JobOptions()),
        ({"numSpeakers": 1}, JobOptions(speakers=1)),
        ({"numSpeakers": 2, "confidence": True}, JobOptions(speakers=2, frame_confidence=True)),
        ({"minSpeakers": 2, "maxSpeakers": 2}, JobOptions(min_speakers=2, max_speakers=2)),
        ({"minSpeakers": 3}, JobOptions(min_speakers=3)),
        ({"numSpeakers": 2, "minSpeakers": 1, "maxSpeakers": 2}, JobOptions(speakers=2)),
        ({"model": "precision-1"}, JobOptions()),
        ({"model": "community-1"}, JobOptions(fast=True)),
        ({"speechProbability": True, "something": {"else": 1}}, JobOptions()),
    ],
)
def test_what_the_engine_is_asked(body: dict[str, Any], options: JobOptions) -> None:
    assert DiarizeRequest.model_validate({"url": "media://a", **body}).options() == options


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": None}, "url"),
        ({"url": 7}, "url"),
        ({"model": "precision-9"}, "model"),
        ({"numSpeakers": 0}, "numSpeakers"),
        ({"numSpeakers": "2"}, "numSpeakers"),
        ({"numSpeakers": 2.5}, "numSpeakers"),
        ({"numSpeakers": True}, "numSpeakers"),
        ({"numSpeakers": 10**30}, "numSpeakers"),
        ({"minSpeakers": 3, "maxSpeakers": 2}, "maxSpeakers"),
        ({"numSpeakers": 2, "minSpeakers": 3}, "minSpeakers"),
        ({"numSpeakers": 2, "maxSpeakers": 1}, "maxSpeakers"),
        ({"exclusive": "yes"}, "exclusive"),
        ({"transcription": True}, "transcription"),
        ({"webhook": 1}, "webhook"),
    ],
)
def test_which_field_is_wrong(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DiarizeRequest.model_validate({"url": "media://a", **body})
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


def test_that_transcription_is_declined_in_a_sentence() -> None:
    with pytest.raises(ValidationError) as caught:
        DiarizeRequest.model_validate({"url": "media://a", "transcription": True})
    (error,) = caught.value.errors()
    assert error["msg"] == "This server does not transcribe: leave transcription out."


@pytest.mark.parametrize(
    "key", ["a", "800ea341", "path/to/my-file_1.wav", "..", "/", "x" * (255 - len("media://"))]
)
def test_media_keys(key: str) -> None:
    assert media_key(f"media://{key}") == key


@pytest.mark.parametrize(
    "url",
    [
        "media://",
        "media:/a",
        "MEDIA://a",
        "media://a b",
        "media://a\n",
        "media://é",
        "media://a?b",
        "https://example.com/a.wav",
        "media://" + "x" * (256 - len("media://")),
    ],
)
def test_what_is_no_media_key(url: str) -> None:
    with pytest.raises(InvalidInput, match="A media URL is media://"):
        media_key(url)

"""What requests for jobs may hold, and which field is blamed for what."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from earmark.dialects.pyannoteai._requests import (
    DiarizeRequest,
    IdentifyRequest,
    VoiceprintRequest,
    media_key,
)
from earmark.errors import InvalidInput
from earmark.service import IdentifyOptions, JobOptions
from earmark.voiceprints import Voiceprint

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


def voiceprint(model: str = "earmark-1") -> str:
    vector = np.linspace(-1, 1, 448, dtype=np.float32)
    return Voiceprint(vector=vector, model=model, net_speech_s=9.0).to_base64()


PRINT = voiceprint()
SAM = {"label": "Sam", "voiceprint": PRINT}


def test_what_is_asked_about_a_voiceprint() -> None:
    from_the_sdk = {"url": "media://a", "model": "precision-2"}
    for body in (from_the_sdk, {"url": "media://a"}, {"url": "media://a", "model": None}):
        asked = VoiceprintRequest.model_validate(body)
        assert asked.options() == JobOptions(
            voiceprints=True, limit_s=31.0, limit_bytes=100 * 1024 * 1024
        )
        assert asked.sealed() is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, IdentifyOptions()),
        ({"matching": None}, IdentifyOptions()),
        ({"matching": {}}, IdentifyOptions()),
        ({"matching": {"exclusive": None, "threshold": None}}, IdentifyOptions()),
        ({"matching": {"exclusive": False}}, IdentifyOptions(exclusive=False)),
        ({"matching": {"exclusive": True, "threshold": 50.0}}, IdentifyOptions(confidence=0.495)),
        ({"matching": {"threshold": 100}}, IdentifyOptions(confidence=0.995)),
    ],
)
def test_how_speakers_are_matched(body: dict[str, Any], expected: IdentifyOptions) -> None:
    sent = [SAM, {**SAM, "label": "Rick"}]
    asked = IdentifyRequest.model_validate({"url": "media://a", "voiceprints": sent, **body})
    options = asked.options()
    assert options.voiceprints
    assert options.identify is not None
    assert options.identify.exclusive == expected.exclusive
    assert options.identify.confidence == expected.confidence
    assert options.identify.false_accept_rate is None
    assert options.identify.alternatives == 2
    assert json.loads(asked.sealed()) == {"voiceprints": sent}


def test_an_identification_with_every_option_of_a_diarization() -> None:
    knobs = {
        "url": "media://a",
        "model": "community-1",
        "minSpeakers": 2,
        "maxSpeakers": 3,
        "confidence": True,
        "turnLevelConfidence": True,
        "exclusive": True,
    }
    asked = IdentifyRequest.model_validate({**knobs, "voiceprints": [SAM]})
    plain = DiarizeRequest.model_validate(knobs)
    options = asked.options()
    assert (options.fast, options.min_speakers, options.max_speakers) == (True, 2, 3)
    assert options.frame_confidence
    assert asked.render() == plain.render()


@pytest.mark.parametrize(
    ("sent", "place", "message"),
    [
        ([], (), "at least 1 item"),
        ([{**SAM, "label": f"person {i}"} for i in range(51)], (), "at most 50 items"),
        ([SAM, {**SAM, "label": "Rick"}, SAM], (), "2 voiceprints with the label 'Sam'"),
        ([{**SAM, "label": "speaker_1"}], (0, "label"), "does not begin with speaker_"),
        ([SAM, {**SAM, "label": "SPEAKER_00"}], (1, "label"), "does not begin with speaker_"),
        ([{**SAM, "label": ""}], (0, "label"), "at least 1 character"),
        ([{**SAM, "label": "x" * 101}], (0, "label"), "at most 100 characters"),
        ([{"voiceprint": PRINT}], (0, "label"), "Field required"),
        ([{"label": "Sam"}], (0, "voiceprint"), "Field required"),
        ([{**SAM, "voiceprint": "A" * 20_001}], (0, "voiceprint"), "at most 20000 characters"),
        ([{**SAM, "voiceprint": "%%%"}], (0, "voiceprint"), "not base64"),
        ([{**SAM, "voiceprint": "AAA="}], (0, "voiceprint"), "not a voiceprint of Earmark"),
        ([{**SAM, "voiceprint": PRINT[:-12]}], (0, "voiceprint"), "damaged"),
        ([{**SAM, "voiceprint": PRINT[:99] + PRINT[103:]}], (0, "voiceprint"), "damaged"),
        ([{**SAM, "voiceprint": voiceprint("earmark-0")}], (0, "voiceprint"), "model earmark-0"),
        ({"Sam": PRINT}, (), "valid list"),
    ],
)
def test_which_voiceprint_is_wrong(sent: Any, place: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        IdentifyRequest.model_validate({"url": "media://a", "voiceprints": sent})
    (error,) = caught.value.errors()
    assert error["loc"] == ("voiceprints", *place)
    assert message in error["msg"]
    assert PRINT[200:240] not in error["msg"]


@pytest.mark.parametrize(
    ("matching", "field"),
    [
        ({"threshold": -1}, "threshold"),
        ({"threshold": 100.5}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"threshold": "50"}, "threshold"),
        ({"exclusive": 1}, "exclusive"),
    ],
)
def test_a_matching_that_cannot_be(matching: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        IdentifyRequest.model_validate(
            {"url": "media://a", "voiceprints": [SAM], "matching": matching}
        )
    assert [error["loc"] for error in caught.value.errors()] == [("matching", field)]


def test_that_a_request_shows_no_voiceprint() -> None:
    asked = IdentifyRequest.model_validate({"url": "media://a", "voiceprints": [SAM]})
    assert "Sam" in repr(asked)
    assert PRINT[200:240] not in repr(asked)


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

"""Results of the DeepAffects dialect in the vendor's shapes, and what webhooks are told."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from earmark.dialects.deepaffects import webhook_format
from earmark.dialects.deepaffects._calls import CALLS
from earmark.dialects.deepaffects._people import People
from earmark.dialects.deepaffects._render import Enrollment, response, response_of_document
from earmark.diarization import ChannelSpeech, Diarization, SpeechActivity, Turn
from earmark.errors import Kind
from earmark.service import (
    Candidate,
    Identification,
    Job,
    JobError,
    JobKind,
    JobState,
    Named,
    NamedSpeaker,
)
from earmark.settings import Settings
from some_job import some_job

TURNS = (
    Turn(start=0.0, end=4.0, speaker="SPEAKER_00"),
    Turn(start=3.0, end=5.0, speaker="SPEAKER_01"),
    Turn(start=8.0, end=9.5, speaker="SPEAKER_00"),
)
RESULT = Diarization(turns=TURNS, exclusive=(TURNS[0], TURNS[2]), duration=10.0)
TIMES = [(0.0, 4.0), (3.0, 5.0), (8.0, 9.5)]


def segments(*names: str) -> list[dict[str, Any]]:
    return [
        {"speaker_id": name, "start": start, "end": end}
        for name, (start, end) in zip(names, TIMES, strict=True)
    ]


def identified(*matches: str | None) -> Identification:
    """Whom (ids) the speakers of `RESULT` were taken for."""
    return Identification(
        diarization=RESULT,
        speakers=tuple(
            NamedSpeaker(
                speaker=speaker,
                named=Named(
                    match=None
                    if match is None
                    else Candidate(
                        speaker_id=match, label="", cosine=0.8, llr=3.0, probability=0.95
                    ),
                    alternatives=(),
                    margin=None,
                    threshold=1.0,
                ),
                net_speech_s=None,
                quality=None,
            )
            for speaker, match in zip(RESULT.speakers, matches, strict=True)
        ),
    )


def test_who_was_identified() -> None:
    shown = {"call": "identify", "speakers": {"id1": "ann", "id2": "ben"}}
    assert response(shown, identified(None, "id2")) == {
        "segments": segments("UserNotIdentified", "ben", "UserNotIdentified")
    }
    assert response(shown, identified("id1", "id2")) == {"segments": segments("ann", "ben", "ann")}


def test_that_nobody_else_is_named() -> None:
    shown = {"call": "identify", "speakers": {"id1": "ann"}}
    assert response(shown, identified("another id", None)) == {
        "segments": segments(*["UserNotIdentified"] * 3)
    }


@pytest.mark.parametrize("counted", [True, False])
def test_speakers_by_number(counted: bool) -> None:
    shown = {"call": "diarize", "counted": counted, "speakers": {}}
    answer = response(shown, RESULT)
    assert answer["segments"] == segments("speaker1", "speaker2", "speaker1")
    assert ("num_speakers" in answer) == counted
    assert answer.get("num_speakers", 2) == 2


def test_that_numbers_are_nobodys_id() -> None:
    shown = {"call": "diarize", "counted": True, "speakers": {"id1": "speaker1", "id2": "ben"}}
    answer = response(shown, identified(None, "id2"))
    assert answer["segments"] == segments("speaker2", "ben", "speaker2")
    assert answer["num_speakers"] == 2


def test_speech_and_short_silences() -> None:
    heard = SpeechActivity(
        channels=(ChannelSpeech(channel=None, segments=((0.0, 1.0), (1.5, 2.0), (3.0, 4.0))),),
        duration=5.0,
    )

    def times(gap: float) -> list[tuple[float, float]]:
        found = response({"call": "vad", "gap": gap}, heard)["segments"]
        assert {each["tag"] for each in found} <= {"speech"}
        return [(each["start"], each["end"]) for each in found]

    assert times(0.0) == [(0.0, 1.0), (1.5, 2.0), (3.0, 4.0)]
    assert times(0.5) == times(0.0)
    assert times(0.6) == [(0.0, 2.0), (3.0, 4.0)]
    assert times(5.0) == [(0.0, 4.0)]


@pytest.mark.parametrize(("speech_s", "complete"), [(11.9, False), (12.0, True)])
def test_an_enrolment(speech_s: float, complete: bool) -> None:
    enrollment = Enrollment(speaker_id="ann", speech_s=speech_s, duration_s=30.0, quality="good")
    assert enrollment.document() == {
        "speaker_id": "ann",
        "enrollment_complete": complete,
        "total_speech_duration": speech_s,
        "total_enroll_duration": 30.0,
        "enroll_quality": "good",
    }


def a_job(state: JobState = JobState.SUCCEEDED, **changes: Any) -> Job:
    render = {"request_id": "r1", "call": "identify", "speakers": {"id1": "ann"}}
    known = {"dialect": "deepaffects", "kind": JobKind.IDENTIFY, "render": render}
    return some_job(state, **{**known, **changes})


def told(job: Job, document: bytes = b"") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(webhook_format(Settings()).body(job, lambda: document))
    return found


def test_a_webhook_is_told_of_a_result() -> None:
    assert told(a_job(), identified("id1", None).to_json()) == {
        "request_id": "r1",
        "response": {"segments": segments("ann", "UserNotIdentified", "ann")},
    }


def test_a_request_without_an_id_gets_one() -> None:
    job = a_job(render={**a_job().render, "request_id": None})
    assert told(job, identified(None, None).to_json())["request_id"] == job.id


def test_documents_of_the_other_kinds() -> None:
    render: dict[str, Any] = {"request_id": None, "call": "diarize", "counted": True}
    render["speakers"] = {}
    job = a_job(kind=JobKind.DIARIZE, render=render)
    answer = response_of_document(job, RESULT.to_json().encode())
    assert answer["segments"] == segments("speaker1", "speaker2", "speaker1")
    heard = SpeechActivity(
        channels=(ChannelSpeech(channel=None, segments=((0.5, 1.0),)),), duration=5.0
    )
    job = a_job(kind=JobKind.VOICE_ACTIVITY, render={"request_id": None, "call": "vad", "gap": 0.0})
    answer = response_of_document(job, heard.to_json().encode())
    assert answer == {"segments": [{"tag": "speech", "start": 0.5, "end": 1.0}]}


@pytest.mark.parametrize(
    ("kind", "code"),
    [(Kind.INVALID, "com.deepaffects.BadRequest"), (Kind.INTERNAL, "api_error")],
)
def test_a_webhook_is_told_of_a_failure(kind: Kind, code: str) -> None:
    error = JobError(kind=kind, code="audio.empty", message="There is no audio.")
    assert told(a_job(JobState.FAILED, error=error)) == {
        "request_id": "r1",
        "fault": {
            "faultstring": "There is no audio.",
            "fault_string": "There is no audio.",
            "detail": {"errorcode": code, "error_code": code},
        },
    }


def test_a_webhook_is_told_of_a_cancellation() -> None:
    assert "canceled" in told(a_job(JobState.CANCELED))["fault"]["faultstring"]


def test_when_it_is_tried_again() -> None:
    """At once, and five times more, each wait twice the one before."""
    each = webhook_format(Settings(webhook_timeout_s=7.0))
    first, *waits = each.schedule_s
    assert (first, len(waits)) == (0.0, 5)
    assert all(later == 2 * wait for wait, later in itertools.pairwise(waits))
    assert each.timeout_s == 7.0


class Gallery(People):
    """One gallery in which everybody who is asked for is enrolled."""

    def __init__(self) -> None:
        pass

    def wanted(self, speaker_ids: Any, **_: Any) -> tuple[str, dict[str, str]]:
        return "g1", {f"id of {each}": each for each in speaker_ids}


def test_what_is_asked_of_the_engine() -> None:
    calls = {call.path: call for call in CALLS}

    def order(path: str, **members: Any) -> Any:
        call = calls[path]
        return call.order(call.model.model_validate(members), Gallery())

    named = order("/diarization/identify", speakerIds=["ann", "ben"])
    assert (named.kind, named.options.voiceprints) == (JobKind.IDENTIFY, True)
    assert named.options.identify.galleries == ("g1",)
    assert named.options.identify.speakers == ("id of ann", "id of ben")
    assert named.shown["speakers"] == {"id of ann": "ann", "id of ben": "ben"}

    plain = order("/diarize", speakers=-1)
    assert (plain.kind, plain.options.speakers, plain.options.channels) == (
        JobKind.DIARIZE,
        None,
        "mix",
    )
    counted = order("/diarize", speakerCount=3, separateSpeakerPerChannel=True, speakerIds=["ann"])
    assert (counted.kind, counted.options.speakers, counted.options.channels) == (
        JobKind.IDENTIFY,
        3,
        "split",
    )
    assert not counted.shown["counted"]
    assert order("/vad", minNonSpeechDuration=1).shown["gap"] == 1.0

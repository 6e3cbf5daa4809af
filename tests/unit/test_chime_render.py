"""What tasks and events look like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from earmark.dialects.chime import NAME, webhook_format
from earmark.dialects.chime._arns import Resource, account_of, arn_of, read_arn
from earmark.dialects.chime._render import task
from earmark.errors import Kind, NotFound
from earmark.service import Event, JobError, JobKind, JobState, WebhookFormat
from earmark.settings import Settings
from some_job import some_job

RENDER = {
    "connector": "vc1",
    "transaction": "tx-1",
    "leg": "callee",
    "region": "eu-west-1",
}
MATCH = {"speaker_id": "p1", "probability": 0.97}
EVENT_ID = "msg_00112233445566778899aabbccddeeff"


def shown(state: JobState, *, started: bool = True, **findings: Any) -> dict[str, Any]:
    return task(
        some_job(
            state,
            dialect=NAME,
            kind=JobKind.SPEAKER_SEARCH,
            render=RENDER,
            started_at=1_700_000_001.0 if started else None,
            findings=findings or None,
        )
    )


def test_a_task_that_nobody_has_begun() -> None:
    assert shown(JobState.QUEUED, started=False) == {
        "SpeakerSearchTaskId": "7c1f",
        "SpeakerSearchTaskStatus": "IN_QUEUE",
        "CallDetails": {"VoiceConnectorId": "vc1", "TransactionId": "tx-1", "IsCaller": False},
        "CreatedTimestamp": "2023-11-14T22:13:20.250Z",
        "UpdatedTimestamp": "2023-11-14T22:13:21.500Z",
        "StatusMessage": "0.0 s of speech were heard, and 10 s are needed.",
    }


@pytest.mark.parametrize(
    ("state", "findings", "status", "details"),
    [
        (JobState.QUEUED, {}, "IN_PROGRESS", None),
        (JobState.RUNNING, {"net_speech_s": 3.0}, "IN_PROGRESS", None),
        (JobState.QUEUED, {"matches": [MATCH]}, "IN_PROGRESS", (1, None)),
        (JobState.SUCCEEDED, {"matches": [MATCH], "voiceprint": True}, "SUCCEEDED", (1, "Success")),
        (JobState.SUCCEEDED, {"matches": [], "voiceprint": False}, "PARTIAL_SUCCESS",
         (0, "Failure")),
        (JobState.FAILED, {"voiceprint": False}, "FAILED", (0, "Failure")),
        (JobState.CANCELED, {"matches": []}, "STOPPED", (0, None)),
    ],
)  # fmt: skip
def test_the_status_of_a_task(
    state: JobState, findings: dict[str, Any], status: str, details: tuple[int, str | None] | None
) -> None:
    document = shown(state, **findings)
    assert document["SpeakerSearchTaskStatus"] == status
    found = document.get("SpeakerSearchDetails")
    if details is None:
        assert found is None
        return
    assert found is not None
    count, word = details
    expected = [{"ConfidenceScore": 0.97, "VoiceProfileId": "p1"}] * count
    assert found["Results"] == expected
    generation = found.get("VoiceprintGenerationStatus")
    assert generation == (None if word is None else f"VoiceprintGeneration{word}")


def test_the_reason_of_a_failure_is_told() -> None:
    error = JobError(kind=Kind.INVALID, code="speech.too_little", message="Too little.")
    failed = some_job(JobState.FAILED, dialect=NAME, render=RENDER, error=error)
    assert task(failed)["StatusMessage"] == "Too little."


def told(name: str, **detail: Any) -> dict[str, Any]:
    form: Any = webhook_format(Settings())
    call = {"connector": "vc1", "transaction": "tx-1"}
    known = {"shown": {"region": "eu-west-1", **call}, **({} if detail else call)}
    event = Event(
        id=EVENT_ID, tenant_id="t", about="7c1f", name=name, at=1.7e9, detail={**known, **detail}
    )
    assert form.event(event) == form.event(event)
    return dict(json.loads(form.event(event)))


def test_an_event_in_the_envelope_of_eventbridge() -> None:
    assert told("search.found", leg="caller", matches=[MATCH], voiceprint=None) == {
        "version": "0",
        "id": "00112233-4455-6677-8899-aabbccddeeff",
        "detail-type": "SpeakerSearchStatus",
        "service-type": "VoiceAnalytics",
        "source": "aws.chime",
        "account": account_of("t"),
        "time": "2023-11-14T22:13:20Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": {
            "detailStatus": "IdentificationSuccessful",
            "taskId": "7c1f",
            "speakerSearchDetails": {
                "results": [{"voiceProfileId": "p1", "confidenceScore": 0.97}]
            },
            "isCaller": True,
            "transactionId": "tx-1",
            "voiceConnectorId": "vc1",
        },
    }


@pytest.mark.parametrize(
    ("name", "status", "generation"),
    [
        ("search.unknown", "IdentificationNoMatchesFound", None),
        ("search.unidentified", "IdentificationFailure", False),
        ("search.voiceprint", "VoiceprintGenerationSuccessful", True),
        ("search.no_voiceprint", "VoiceprintGenerationFailure", False),
    ],
)
def test_the_words_of_events(name: str, status: str, generation: bool | None) -> None:
    detail = told(name, leg="callee", matches=None, voiceprint=generation)["detail"]
    assert detail["detailStatus"] == status
    assert detail["isCaller"] is False
    assert detail["speakerSearchDetails"]["results"] == []
    word = {None: None, True: "VoiceprintGenerationSuccess", False: "VoiceprintGenerationFailure"}
    assert detail["speakerSearchDetails"].get("voiceprintGenerationStatus") == word[generation]


def test_an_opened_call() -> None:
    event = told("call.opened")
    assert event["detail-type"] == "VoiceAnalyticsStatus"
    assert event["detail"] == {
        "detailStatus": "AnalyticsReady",
        "transactionId": "tx-1",
        "voiceConnectorId": "vc1",
    }


def test_events_are_signed_and_repeated_like_native_webhooks() -> None:
    from earmark.dialects import native

    ours: WebhookFormat = webhook_format(Settings())
    theirs = native.webhook_format(Settings())
    asked: dict[str, Any] = {
        "secret": "whsec_c2VjcmV0",
        "delivery_id": EVENT_ID,
        "attempt": 1,
        "last_reason": None,
        "body": b"{}",
        "now": 1.7e9,
    }
    assert ours.headers(**asked) == theirs.headers(**asked)
    assert ours.schedule_s == theirs.schedule_s


def test_names_of_resources_are_read_by_their_tenant_alone() -> None:
    arn = arn_of(Resource.DOMAIN, "d1", tenant_id="t", region="eu-west-1")
    assert arn == f"arn:aws:chime:eu-west-1:{account_of('t')}:voice-profile-domain/d1"
    assert read_arn(arn, tenant_id="t") == (Resource.DOMAIN, "d1")
    for foreign in (arn.replace("aws", "aws-cn"), arn.replace("domain/", "domain/x/"), "arn"):
        with pytest.raises(NotFound):
            read_arn(foreign, tenant_id="t")
    with pytest.raises(NotFound):
        read_arn(arn, tenant_id="other")

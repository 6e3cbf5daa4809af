"""What is answered: the documents of the vendor's API model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from earmark.dialects._http import iso
from earmark.dialects.chime._arns import Resource, arn_of
from earmark.service import (
    Gallery,
    Job,
    JobState,
    Leg,
    Match,
    Page,
    SearchFindings,
    Speaker,
    VoiceConnector,
)

__all__ = ["connector", "details", "domain", "page", "profile", "search_details", "task"]

T = TypeVar("T")

_SOMEWHERE = "us-east-1"
_STATUS = {
    JobState.RUNNING: "IN_PROGRESS",
    JobState.FAILED: "FAILED",
    JobState.CANCELED: "STOPPED",
    JobState.EXPIRED: "FAILED",
}


def connector(found: VoiceConnector) -> dict[str, Any]:
    shown = found.details
    return {
        "VoiceConnectorId": found.id,
        "AwsRegion": shown["region"],
        "Name": found.name,
        "OutboundHostName": f"{found.id}.voiceconnector.invalid",  # no SIP is spoken here
        "RequireEncryption": shown["require_encryption"],
        "CreatedTimestamp": iso(found.created_at),
        "UpdatedTimestamp": iso(found.updated_at),
        "VoiceConnectorArn": arn_of(
            Resource.CONNECTOR, found.id, tenant_id=found.tenant_id, region=shown["region"]
        ),
        **({"IntegrationType": shown["integration_type"]} if shown["integration_type"] else {}),
        "NetworkType": shown["network_type"],
    }


def domain(found: Gallery) -> dict[str, Any]:
    arn = arn_of(
        Resource.DOMAIN, found.id, tenant_id=found.tenant_id, region=_region(found.details)
    )
    return {
        "VoiceProfileDomainId": found.id,
        "VoiceProfileDomainArn": arn,
        "Name": found.name,
        "Description": found.description,
        "CreatedTimestamp": iso(found.created_at),
        "UpdatedTimestamp": iso(found.updated_at),
    }


def details(found: Gallery) -> dict[str, Any]:
    """A domain by itself says more than one in a list."""
    encryption = {"KmsKeyArn": found.details.get("kms_key_arn", "")}
    return {**domain(found), "ServerSideEncryptionConfiguration": encryption}


def profile(found: Speaker) -> dict[str, Any]:
    arn = arn_of(
        Resource.PROFILE, found.id, tenant_id=found.tenant_id, region=_region(found.details)
    )
    return {
        "VoiceProfileId": found.id,
        "VoiceProfileArn": arn,
        "VoiceProfileDomainId": found.gallery_id,
        "CreatedTimestamp": iso(found.created_at),
        "UpdatedTimestamp": iso(found.updated_at),
        "ExpirationTimestamp": iso(found.expires_at),
    }


def task(job: Job) -> dict[str, Any]:
    """A speaker search task."""
    findings = SearchFindings.of(job)
    document: dict[str, Any] = {
        "SpeakerSearchTaskId": job.id,
        "SpeakerSearchTaskStatus": _status(job, findings),
        "CallDetails": {
            "VoiceConnectorId": job.render["connector"],
            "TransactionId": job.render["transaction"],
            "IsCaller": job.render["leg"] == Leg.CALLER,
        },
        "CreatedTimestamp": iso(job.created_at),
        "UpdatedTimestamp": iso(job.updated_at),
    }
    if job.started_at is not None:
        document["StartedTimestamp"] = iso(job.started_at)
    if findings.matches is not None or findings.voiceprint is not None:
        document["SpeakerSearchDetails"] = search_details(findings.matches, findings.voiceprint)
    message = job.error.message if job.error is not None else findings.message
    if message:
        document["StatusMessage"] = message
    return document


def search_details(matches: Sequence[Match] | None, voiceprint: bool | None) -> dict[str, Any]:
    """What has been found so far."""
    found: dict[str, Any] = {
        "Results": [
            {"ConfidenceScore": each.probability, "VoiceProfileId": each.speaker_id}
            for each in matches or ()
        ]
    }
    if voiceprint is not None:
        word = "Success" if voiceprint else "Failure"
        found["VoiceprintGenerationStatus"] = f"VoiceprintGeneration{word}"
    return found


def _region(shown: Mapping[str, Any]) -> str:
    """Where it was made; what the native API has made or changed may not say."""
    return str(shown.get("region", _SOMEWHERE))


def _status(job: Job, findings: SearchFindings) -> str:
    if job.state is JobState.QUEUED:
        return "IN_QUEUE" if job.started_at is None else "IN_PROGRESS"
    if job.state is JobState.SUCCEEDED:
        return "SUCCEEDED" if findings.voiceprint else "PARTIAL_SUCCESS"
    return _STATUS[job.state]


def page(found: Page[T], name: str, render: Callable[[T], Mapping[str, Any]]) -> dict[str, Any]:
    """A part of a list; ``NextToken`` leads to the next part."""
    document: dict[str, Any] = {name: [render(each) for each in found.items]}
    if found.cursor is not None:
        document["NextToken"] = found.cursor
    return document

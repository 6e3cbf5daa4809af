"""Events as EventBridge would deliver them, posted to the addresses of the settings."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from earmark.dialects._standard_webhooks import SCHEDULE_S, signed_headers
from earmark.dialects.chime._arns import account_of
from earmark.errors import NotFound
from earmark.service import Event, Job, Leg, WebhookFormat
from earmark.settings import Settings

__all__ = ["webhook_format"]

_STATUS: Final = {
    "call.opened": ("VoiceAnalyticsStatus", "AnalyticsReady"),
    "search.found": ("SpeakerSearchStatus", "IdentificationSuccessful"),
    "search.unknown": ("SpeakerSearchStatus", "IdentificationNoMatchesFound"),
    "search.unidentified": ("SpeakerSearchStatus", "IdentificationFailure"),
    "search.voiceprint": ("SpeakerSearchStatus", "VoiceprintGenerationSuccessful"),
    "search.no_voiceprint": ("SpeakerSearchStatus", "VoiceprintGenerationFailure"),
}
"""Event -> detail type, status."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _EventBridge:
    """Signed and repeated as native webhooks are."""

    timeout_s: float
    schedule_s: tuple[float, ...] = SCHEDULE_S
    jitter: float = 0.1
    shares_secret: bool = False
    honours_retry_after: bool = True
    disables_on_gone: bool = False  # the addresses are the operator's

    def body(self, job: Job, document: Callable[[], bytes]) -> bytes:  # noqa: ARG002 - none is sent
        raise NotFound("This dialect tells of events alone.")

    def event(self, event: Event) -> bytes:
        kind, status = _STATUS[event.name]
        told = {
            "version": "0",
            "id": str(uuid.UUID(event.id.removeprefix("msg_"))),
            "detail-type": kind,
            "service-type": "VoiceAnalytics",
            "source": "aws.chime",
            "account": account_of(event.tenant_id),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(event.at)),
            "region": event.detail["shown"]["region"],
            "resources": [],
            "detail": {"detailStatus": status, **_detail(event)},
        }
        return json.dumps(told).encode()

    def headers(
        self,
        *,
        secret: str,
        delivery_id: str,
        attempt: int,  # noqa: ARG002 - every attempt is signed alike
        last_reason: str | None,  # noqa: ARG002 - as above
        body: bytes,
        now: float,
    ) -> dict[str, str]:
        return signed_headers(secret, delivery_id, body, now)


def _detail(event: Event) -> dict[str, Any]:
    shown = event.detail if event.name == "call.opened" else event.detail["shown"]
    call = {"transactionId": shown["transaction"], "voiceConnectorId": shown["connector"]}
    if event.name == "call.opened":
        return call
    details: dict[str, Any] = {
        "results": [
            {"voiceProfileId": each["speaker_id"], "confidenceScore": each["probability"]}
            for each in event.detail["matches"] or ()
        ]
    }
    if event.detail["voiceprint"] is not None:
        word = "Success" if event.detail["voiceprint"] else "Failure"
        details["voiceprintGenerationStatus"] = f"VoiceprintGeneration{word}"
    return {
        "taskId": event.about,
        "speakerSearchDetails": details,
        "isCaller": event.detail["leg"] == Leg.CALLER,
        **call,
    }


def webhook_format(settings: Settings) -> WebhookFormat:
    """How events are written and repeated."""
    return _EventBridge(timeout_s=settings.webhook_timeout_s)

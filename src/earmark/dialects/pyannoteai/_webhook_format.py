"""Webhooks as pyannoteAI sends them.

Source: https://docs.pyannote.ai/webhooks/receiving-webhooks and …/verifying-webhooks. The prose
there says that the signature is base64, its sample compares with hexdigest(): hex is the default.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from earmark.dialects.pyannoteai._outputs import job_output
from earmark.dialects.pyannoteai._render import job_created
from earmark.service import Job, JobState, WebhookFormat
from earmark.settings import Settings

__all__ = ["webhook_format"]

_REASONS = {
    "timeout": "http_timeout",
    "redirects": "too_many_redirects",
    "connection": "connection_failed",
    "tls": "ssl_error",
    "status": "http_error",
}
"""`FetchError.reason` in the vendor's words; whatever else happens is its ``unknown_error``."""


def webhook_format(settings: Settings) -> WebhookFormat:
    """How deliveries of this dialect look and when they are tried."""
    return _Format(encoding=settings.pyannoteai_signature)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Format:
    encoding: Literal["hex", "base64"]
    schedule_s: tuple[float, ...] = (0.0, 0.0, 60.0, 300.0)  # once, and three retries
    jitter: float = 0.0
    shares_secret: bool = True
    timeout_s: float = 10.0
    honours_retry_after: bool = False
    disables_on_gone: bool = False

    def body(self, job: Job, document: Callable[[], bytes]) -> bytes:
        """The job and its status, and the output if it has one and it was asked for."""
        shown = job_created(job)
        if job.state is JobState.SUCCEEDED and not job.render.get("webhookStatusOnly"):
            shown["output"] = job_output(job, document())
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()

    def headers(
        self,
        *,
        secret: str,
        delivery_id: str,  # noqa: ARG002 - other formats send it
        attempt: int,
        last_reason: str | None,
        body: bytes,
        now: float,
    ) -> dict[str, str]:
        """The signature of ``v0:{timestamp}:{body}``, and what a retry says of itself."""
        timestamp = str(int(now))
        signed = b"v0:" + timestamp.encode() + b":" + body
        digest = hmac.digest(secret.encode(), signed, hashlib.sha256)
        headers = {
            "Content-Type": "application/json",
            "X-Request-Timestamp": timestamp,
            "X-Signature": (
                digest.hex() if self.encoding == "hex" else base64.b64encode(digest).decode()
            ),
        }
        if last_reason is not None:
            # Asked for by hand, a delivery is tried more often than the vendor would.
            headers["x-retry-num"] = str(min(attempt, len(self.schedule_s)) - 1)
            headers["x-retry-reason"] = _REASONS.get(last_reason, "unknown_error")
        return headers

"""What the receivers of webhooks get: Standard Webhooks, https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass

from earmark.dialects._http import iso
from earmark.dialects.native._documents import job_document
from earmark.dialects.native._names import PREFIX
from earmark.service import Job, WebhookFormat, event_of
from earmark.settings import Settings

__all__ = ["webhook_format"]

_MINUTE, _HOUR = 60.0, 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _StandardWebhooks:
    """Ten attempts over about 75 hours; the result itself is not sent, but where it is."""

    base: str
    timeout_s: float
    schedule_s: tuple[float, ...] = (
        0.0,
        5.0,
        5 * _MINUTE,
        30 * _MINUTE,
        2 * _HOUR,
        5 * _HOUR,
        10 * _HOUR,
        14 * _HOUR,
        20 * _HOUR,
        24 * _HOUR,
    )
    jitter: float = 0.1
    shares_secret: bool = False
    honours_retry_after: bool = True
    disables_on_gone: bool = True

    def body(self, job: Job, document: Callable[[], bytes]) -> bytes:  # noqa: ARG002 - not sent
        """The job as `GET /jobs/{id}` shows it, less than 20 kB."""
        told = {
            "type": event_of(job.state),
            "timestamp": iso(job.finished_at or job.updated_at),
            "data": job_document(job, self.base).model_dump(),
        }
        return json.dumps(told, ensure_ascii=False).encode()

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
        """Id, time and signature of the delivery; the id is the same in every attempt."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = b".".join([delivery_id.encode(), str(int(now)).encode(), body])
        signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return {
            "Content-Type": "application/json",
            "webhook-id": delivery_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": f"v1,{signature}",
        }


def webhook_format(settings: Settings) -> WebhookFormat:
    """How native deliveries are written; links are whole where `EARMARK_PUBLIC_URL` is set."""
    base = (settings.public_url or settings.root_path).rstrip("/")
    return _StandardWebhooks(base=base + PREFIX, timeout_s=settings.webhook_timeout_s)

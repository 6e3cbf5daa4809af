"""What the receivers of webhooks get: Standard Webhooks, https://www.standardwebhooks.com."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from earmark.dialects._http import iso
from earmark.dialects._standard_webhooks import SCHEDULE_S, signed_headers
from earmark.dialects.native._documents import job_document
from earmark.dialects.native._names import PREFIX
from earmark.service import Job, WebhookFormat, event_of
from earmark.settings import Settings

__all__ = ["webhook_format"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _StandardWebhooks:
    """Ten attempts over about 75 hours; the result itself is not sent, but where it is."""

    base: str
    timeout_s: float
    schedule_s: tuple[float, ...] = SCHEDULE_S
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
        return signed_headers(secret, delivery_id, body, now)


def webhook_format(settings: Settings) -> WebhookFormat:
    """How native deliveries are written; links are whole where `EARMARK_PUBLIC_URL` is set."""
    base = (settings.public_url or settings.root_path).rstrip("/")
    return _StandardWebhooks(base=base + PREFIX, timeout_s=settings.webhook_timeout_s)

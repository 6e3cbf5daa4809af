"""What the webhook of an asynchronous call is told, and when again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from earmark.dialects.deepaffects._errors import fault_of
from earmark.dialects.deepaffects._render import response_of_document
from earmark.errors import Kind
from earmark.service import Job, JobState, WebhookFormat
from earmark.settings import Settings

__all__ = ["webhook_format"]


def webhook_format(settings: Settings) -> WebhookFormat:
    """How deliveries of this dialect look and when they are tried."""
    return _Format(timeout_s=settings.webhook_timeout_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Format:
    timeout_s: float
    schedule_s: tuple[float, ...] = (0.0, 15.0, 30.0, 60.0, 120.0, 240.0)  # once, and five retries
    jitter: float = 0.1
    shares_secret: bool = False
    honours_retry_after: bool = True
    disables_on_gone: bool = False

    def body(self, job: Job, document: Callable[[], bytes]) -> bytes:
        """The request's id, and the result or a fault."""
        told = {"request_id": job.render["request_id"] or job.id}
        if job.state is JobState.SUCCEEDED:
            told["response"] = response_of_document(job, document())
        elif job.error is not None:
            told |= fault_of(job.error.kind, job.error.message)
        else:
            told |= fault_of(Kind.CONFLICT, "The request was canceled.")
        return json.dumps(told, separators=(",", ":")).encode()

    def headers(
        self,
        *,
        secret: str,  # noqa: ARG002 - the vendor signs nothing
        delivery_id: str,  # noqa: ARG002
        attempt: int,  # noqa: ARG002
        last_reason: str | None,  # noqa: ARG002
        body: bytes,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> dict[str, str]:
        """What it is: nothing else is sent."""
        return {"Content-Type": "application/json"}

"""What a dialect says of its webhooks, and what is on record of them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import sqlalchemy as sa

from earmark.service._model import Job, JobState
from earmark.settings import Settings
from earmark.storage import deliveries as rows
from earmark.storage import webhooks as webhook_rows

__all__ = [
    "Attempt",
    "Delivery",
    "DeliveryState",
    "Event",
    "EventFormat",
    "Webhook",
    "WebhookFormat",
    "event_of",
    "new_webhook_secret",
    "note_delivery",
    "note_event",
]


class WebhookFormat(Protocol):
    """How a dialect's deliveries look, and when they are tried."""

    @property
    def schedule_s(self) -> tuple[float, ...]:
        """The wait before each attempt, in seconds; the first is 0."""

    @property
    def jitter(self) -> float:
        """The share by which waits vary at random, 0 to 1, so that receivers are not stormed."""

    @property
    def timeout_s(self) -> float:
        """Seconds that a receiver has to answer."""

    @property
    def shares_secret(self) -> bool:
        """Whether all of a tenant's webhooks are signed with the tenant's one secret."""

    @property
    def honours_retry_after(self) -> bool:
        """Whether a receiver may ask for a later attempt (``Retry-After``)."""

    @property
    def disables_on_gone(self) -> bool:
        """Whether status 410 ends all deliveries to that address."""

    def body(self, job: Job, document: Callable[[], bytes]) -> bytes:
        """What is sent, the same bytes whenever it is asked; ``document`` is the result (JSON)."""

    def headers(
        self,
        *,
        secret: str,
        delivery_id: str,
        attempt: int,
        last_reason: str | None,
        body: bytes,
        now: float,
    ) -> dict[str, str]:
        """The headers of an attempt.

        ``attempt`` counts from 1, through redeliveries too, so it may pass the schedule.
        ``last_reason`` is why the attempt before failed: None for the first, and for one that is
        delivered again after it had arrived.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened and is no job's end; ``about`` is the id of the job or call.

    ``detail`` (JSON) is what there is to be told, ``at`` when it happened (seconds since 1970).
    """

    id: str
    tenant_id: str
    about: str
    name: str
    at: float
    detail: Mapping[str, Any]


@runtime_checkable
class EventFormat(Protocol):
    """How a dialect's deliveries look that tell of an event, where it has such."""

    def event(self, event: Event) -> bytes:
        """What is sent, the same bytes whenever it is asked."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """An address that a tenant has job ends sent to. Times are seconds since 1970 (UTC)."""

    id: str
    tenant_id: str
    dialect: str
    url: str
    secret: str
    created_at: float
    disabled_at: float | None
    disabled_reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try: ``status`` is None when no whole answer came, ``reason`` when it was taken.

    ``reason`` is one of `FetchError.reason`. ``answer`` is the first 2 KiB of the answer's body
    without NULs, or else what went wrong, in words.
    """

    number: int
    started_at: float
    duration_s: float
    status: int | None
    reason: str | None
    answer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A job's end, or an event, that a webhook hears of; ``job_id`` is what it is about.

    ``attempts`` are filled where one delivery is asked.
    """

    id: str
    webhook_id: str
    job_id: str
    event: str
    state: DeliveryState
    attempt_count: int
    next_at: float
    created_at: float
    finished_at: float | None
    attempts: tuple[Attempt, ...] = ()


def event_of(state: JobState | str) -> str:
    """The name under which webhooks hear of a job's end."""
    return f"job.{state}"


def note_delivery(
    connection: sa.Connection, row: sa.RowMapping, state: JobState, now: float
) -> None:
    """Note that a job's webhook has to hear of its end, in the transaction that ends it."""
    if row["webhook_id"] is not None:
        rows.enqueue(
            connection,
            tenant_id=row["tenant_id"],
            webhook_id=row["webhook_id"],
            job_id=row["id"],
            event=event_of(state),
            now=now,
        )


def note_event(
    connection: sa.Connection,
    settings: Settings,
    *,
    tenant_id: str,
    dialect: str,
    about: str,
    event: str,
    detail: Mapping[str, Any],
    now: float,
) -> None:
    """Note that the addresses of the settings have to hear of an event, where it takes place.

    They hear of it in the words of the ``dialect``.
    """
    for url in settings.chime_event_urls:
        webhook_id = webhook_rows.ensure(
            connection,
            tenant_id=tenant_id,
            dialect=dialect,
            url=url,
            new_secret=new_webhook_secret,
            now=now,
        )
        rows.enqueue(
            connection,
            tenant_id=tenant_id,
            webhook_id=webhook_id,
            job_id=about,
            event=event,
            now=now,
            detail=detail,
        )


def new_webhook_secret() -> str:
    """A secret in the form of Standard Webhooks: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()

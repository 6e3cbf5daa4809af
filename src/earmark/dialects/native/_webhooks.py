"""Webhooks, and what became of each delivery."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from earmark.dialects._http import iso
from earmark.dialects.native._access import AdmittingRoute, Id, JobsCaller, TheService
from earmark.dialects.native._documents import Document, maybe_iso
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._names import NAME
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import WebAddress
from earmark.service import Delivery, DeliveryState, Webhook

__all__ = ["router"]

router = APIRouter(tags=["webhooks"], route_class=AdmittingRoute)

Limit = Annotated[int, Query(ge=1, le=200, description="How many at once.")]
Cursor = Annotated[str | None, Query(max_length=200, description="From the part before.")]


class WebhookRequest(BaseModel):
    """An address that is to be known before a job names it."""

    model_config = ConfigDict(extra="forbid")

    url: WebAddress = Field(examples=["https://example.com/hook"])


class WebhookChange(BaseModel):
    """Whether anything is sent there."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool


class WebhookDocument(Document):
    """An address that hears of the ends of jobs."""

    schema_: Literal["earmark.webhook/1"] = Field(default="earmark.webhook/1", alias="schema")
    id: str
    url: str
    secret: str | None = Field(
        description="Signs what is sent there (Standard Webhooks); null for an address of another"
        " dialect, which signs in its own way."
    )
    dialect: str
    enabled: bool
    disabled_reason: str | None
    created_at: str


class WebhooksDocument(Document):
    """A part of the list of webhooks, newest first."""

    schema_: Literal["earmark.webhooks/1"] = Field(default="earmark.webhooks/1", alias="schema")
    items: list[WebhookDocument]
    cursor: str | None
    total: int


class AttemptDocument(BaseModel):
    """One try at a delivery."""

    number: int
    started_at: str
    duration_s: float
    status: int | None = Field(description="The HTTP status; null: no answer came.")
    reason: str | None = Field(description="Why it failed; null: it was taken.")
    answer: str = Field(description="The first 2 KiB of the answer.")


class DeliveryDocument(Document):
    """What became of telling a webhook of a job's end."""

    schema_: Literal["earmark.delivery/1"] = Field(default="earmark.delivery/1", alias="schema")
    id: str = Field(description="The `webhook-id` that the receiver sees.")
    webhook: str
    job: str
    event: str
    state: Literal["pending", "delivered", "failed"]
    attempt_count: int
    next_at: str | None = Field(description="When the next attempt is due.")
    created_at: str
    finished_at: str | None
    attempts: list[AttemptDocument] = Field(description="Empty in lists.")


class DeliveriesDocument(Document):
    """A part of the list of deliveries, newest first."""

    schema_: Literal["earmark.deliveries/1"] = Field(default="earmark.deliveries/1", alias="schema")
    items: list[DeliveryDocument]
    cursor: str | None
    total: int


def _webhook(webhook: Webhook) -> WebhookDocument:
    return WebhookDocument(
        id=webhook.id,
        url=webhook.url,
        secret=webhook.secret if webhook.dialect == NAME else None,
        dialect=webhook.dialect,
        enabled=webhook.disabled_at is None,
        disabled_reason=webhook.disabled_reason,
        created_at=iso(webhook.created_at),
    )


def _delivery(delivery: Delivery) -> DeliveryDocument:
    pending = delivery.state is DeliveryState.PENDING
    return DeliveryDocument(
        id=delivery.id,
        webhook=delivery.webhook_id,
        job=delivery.job_id,
        event=delivery.event,
        state=delivery.state.value,
        attempt_count=delivery.attempt_count,
        next_at=iso(delivery.next_at) if pending else None,
        created_at=iso(delivery.created_at),
        finished_at=maybe_iso(delivery.finished_at),
        attempts=[
            AttemptDocument(
                number=each.number,
                started_at=iso(each.started_at),
                duration_s=round(each.duration_s, 3),
                status=each.status,
                reason=each.reason,
                answer=each.answer,
            )
            for each in delivery.attempts
        ],
    )


@router.post(
    "/webhooks", status_code=201, responses=problems(404, 409, 413), summary="Make a webhook"
)
def create_webhook(
    asked: WebhookRequest,
    request: Request,
    response: Response,
    caller: JobsCaller,
    service: TheService,
) -> WebhookDocument:
    """Learn the secret of an address before the first job names it; again answers the same."""
    promise = promise_of(request, response, asked)
    return _webhook(
        service.webhooks.ensure(caller, dialect=NAME, url=asked.url, idempotency=promise)
    )


@router.get("/webhooks", summary="List webhooks")
def list_webhooks(
    caller: JobsCaller, service: TheService, limit: Limit = 50, cursor: Cursor = None
) -> WebhooksDocument:
    """All addresses that jobs have named, newest first."""
    page = service.webhooks.list(caller, limit=limit, cursor=cursor)
    return WebhooksDocument(
        items=[_webhook(each) for each in page.items], cursor=page.cursor, total=page.total
    )


@router.get("/webhooks/{webhook_id}", responses=problems(404), summary="Look at a webhook")
def get_webhook(webhook_id: Id, caller: JobsCaller, service: TheService) -> WebhookDocument:
    """Its secret, and whether it is switched off."""
    return _webhook(service.webhooks.get(caller, webhook_id))


@router.patch(
    "/webhooks/{webhook_id}", responses=problems(404, 413), summary="Switch a webhook on or off"
)
def change_webhook(
    webhook_id: Id, asked: WebhookChange, caller: JobsCaller, service: TheService
) -> WebhookDocument:
    """One that answered 410 (gone) is switched off until it is switched on here."""
    return _webhook(service.webhooks.enable(caller, webhook_id, enabled=asked.enabled))


@router.delete(
    "/webhooks/{webhook_id}", status_code=204, responses=problems(404), summary="Delete a webhook"
)
def delete_webhook(webhook_id: Id, caller: JobsCaller, service: TheService) -> None:
    """Forget it with its secret and its deliveries; those that are pending are given up."""
    service.webhooks.delete(caller, webhook_id)


@router.get("/deliveries", summary="List deliveries")
def list_deliveries(
    caller: JobsCaller,
    service: TheService,
    job: Annotated[str | None, Query(max_length=64, pattern=r"^[\w-]*$")] = None,
    webhook: Annotated[str | None, Query(max_length=64, pattern=r"^[\w-]*$")] = None,
    state: Literal["pending", "delivered", "failed"] | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> DeliveriesDocument:
    """What was told to webhooks, newest first."""
    page = service.webhooks.deliveries(
        caller,
        job_id=job,
        webhook_id=webhook,
        state=None if state is None else DeliveryState(state),
        limit=limit,
        cursor=cursor,
    )
    return DeliveriesDocument(
        items=[_delivery(each) for each in page.items], cursor=page.cursor, total=page.total
    )


@router.get("/deliveries/{delivery_id}", responses=problems(404), summary="Look at a delivery")
def get_delivery(delivery_id: Id, caller: JobsCaller, service: TheService) -> DeliveryDocument:
    """Every attempt, with what the receiver answered."""
    return _delivery(service.webhooks.delivery(caller, delivery_id))


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    status_code=202,
    responses=problems(404, 409),
    summary="Deliver again",
)
def redeliver(
    request: Request,
    response: Response,
    delivery_id: Id,
    caller: JobsCaller,
    service: TheService,
) -> DeliveryDocument:
    """Try once more, now, also what has arrived."""
    promise = promise_of(request, response)
    return _delivery(service.webhooks.redeliver(caller, delivery_id, idempotency=promise))

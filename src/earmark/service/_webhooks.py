"""Webhooks and their deliveries as the tenant sees them."""

from __future__ import annotations

import time

import sqlalchemy as sa

from earmark.errors import Conflict, NotFound
from earmark.service._addresses import AddressRules
from earmark.service._delivery import (
    Attempt,
    Delivery,
    DeliveryState,
    Webhook,
    event_of,
    new_webhook_secret,
)
from earmark.service._idempotency import earlier
from earmark.service._model import Caller, Idempotency, Page, Scope
from earmark.service._paging import page_of, read_cursor
from earmark.service._store import Store
from earmark.storage import deliveries as delivery_rows
from earmark.storage import jobs as job_rows
from earmark.storage import webhooks as rows

__all__ = ["Webhooks"]

_KEPT_S = 90 * 24 * 3600.0


class Webhooks:
    """The webhooks of all tenants; every method sees only the caller's.

    Raises `NotFound` for an unknown id and for any that is not the caller's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rules = AddressRules.of(store.settings)

    def ensure(
        self, caller: Caller, *, dialect: str, url: str, idempotency: Idempotency | None = None
    ) -> Webhook:
        """The webhook with this address, made when there is none, so that its secret is known.

        Raises `InvalidOption` or `AddressForbidden` for addresses that nothing is sent to, and
        `IdempotencyConflict`.
        """
        caller.require(Scope.JOBS)
        self._rules.check_url(url)
        with self._store.database.write() as connection:
            webhook_id = rows.ensure(
                connection,
                tenant_id=caller.tenant_id,
                dialect=dialect,
                url=url,
                new_secret=new_webhook_secret,
                now=time.time(),
            )
            known = earlier(connection, caller.tenant_id, idempotency, webhook_id)
            return _found(connection, caller, known or webhook_id)

    def list(self, caller: Caller, *, limit: int = 50, cursor: str | None = None) -> Page[Webhook]:
        """Webhooks, newest first. Raises `InvalidOption` for a cursor that is none."""
        caller.require(Scope.JOBS)
        before = read_cursor(cursor)
        with self._store.database.read() as connection:
            found = rows.listing(connection, caller.tenant_id, before=before, limit=limit + 1)
            total = rows.count(connection, caller.tenant_id)
        return page_of([Webhook(**row) for row in found], limit, total)

    def get(self, caller: Caller, webhook_id: str) -> Webhook:
        """One webhook."""
        caller.require(Scope.JOBS)
        with self._store.database.read() as connection:
            return _found(connection, caller, webhook_id)

    def enable(self, caller: Caller, webhook_id: str, *, enabled: bool) -> Webhook:
        """Switch deliveries on again, or off; what is pending fails when they are switched off."""
        caller.require(Scope.JOBS)
        now = time.time()
        off = {"disabled_at": now, "disabled_reason": "switched off"}
        with self._store.database.write() as connection:
            found = _found(connection, caller, webhook_id)
            if enabled != (found.disabled_at is None):
                on = {"disabled_at": None, "disabled_reason": None}
                rows.update(connection, webhook_id, on if enabled else off)
                if not enabled:
                    delivery_rows.fail_pending(connection, webhook_id, now)
            return _found(connection, caller, webhook_id)

    def delete(self, caller: Caller, webhook_id: str) -> None:
        """Forget a webhook with its deliveries."""
        caller.require(Scope.JOBS)
        with self._store.database.write() as connection:
            _found(connection, caller, webhook_id)
            rows.delete(connection, webhook_id)

    def deliveries(
        self,
        caller: Caller,
        *,
        job_id: str | None = None,
        webhook_id: str | None = None,
        state: DeliveryState | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Delivery]:
        """Deliveries, newest first. Raises `InvalidOption` for a cursor that is none."""
        caller.require(Scope.JOBS)
        chosen = {"job_id": job_id, "webhook_id": webhook_id, "state": state}
        same: dict[str, object] = {k: v for k, v in chosen.items() if v is not None}
        same["tenant_id"] = caller.tenant_id
        before = read_cursor(cursor)
        with self._store.database.read() as connection:
            found = delivery_rows.listing(connection, same=same, before=before, limit=limit + 1)
            total = delivery_rows.count(connection, same)
        return page_of([_delivery(row) for row in found], limit, total)

    def delivery(self, caller: Caller, delivery_id: str) -> Delivery:
        """One delivery with its attempts."""
        caller.require(Scope.JOBS)
        with self._store.database.read() as connection:
            return _with_attempts(connection, _row(connection, caller, delivery_id))

    def redeliver(
        self, caller: Caller, delivery_id: str, *, idempotency: Idempotency | None = None
    ) -> Delivery:
        """Try a delivery once more, now, also one that has arrived.

        Attempts are counted on. If this one fails, what the schedule has after so many attempts
        follows. Raises `Conflict` when the webhook is switched off or the job is no longer kept,
        and `IdempotencyConflict`.
        """
        caller.require(Scope.JOBS)
        again = {"state": DeliveryState.PENDING, "next_at": time.time(), "finished_at": None}
        with self._store.database.write() as connection:
            row = _row(connection, caller, delivery_id)
            if earlier(connection, caller.tenant_id, idempotency, delivery_id) is not None:
                return _with_attempts(connection, row)
            if _found(connection, caller, row["webhook_id"]).disabled_at is not None:
                raise Conflict(
                    f"The webhook {row['webhook_id']!r} is switched off: switch it on first."
                )
            _require_kept(connection, row)
            delivery_rows.update(connection, delivery_id, again)
            return _with_attempts(connection, _row(connection, caller, delivery_id))

    def sweep(self, now: float) -> None:
        """Forget deliveries that ended three months ago."""
        with self._store.database.write() as connection:
            delivery_rows.sweep(connection, now - _KEPT_S)


def _found(connection: sa.Connection, caller: Caller, webhook_id: str) -> Webhook:
    row = rows.fetch(connection, webhook_id, tenant_id=caller.tenant_id)
    if row is None:
        raise NotFound(f"There is no webhook {webhook_id!r}.")
    return Webhook(**row)


def _require_kept(connection: sa.Connection, row: sa.RowMapping) -> None:
    """Raise `Conflict` when what a delivery tells of is no more; events tell of themselves."""
    if row["detail"] is not None:
        return
    job = job_rows.fetch(connection, row["job_id"])
    if job is None or event_of(job["state"]) != row["event"]:
        raise Conflict(f"The job {row['job_id']!r} is no longer kept: there is nothing to deliver.")


def _row(connection: sa.Connection, caller: Caller, delivery_id: str) -> sa.RowMapping:
    row = delivery_rows.fetch(connection, delivery_id, tenant_id=caller.tenant_id)
    if row is None:
        raise NotFound(f"There is no delivery {delivery_id!r}.")
    return row


def _with_attempts(connection: sa.Connection, row: sa.RowMapping) -> Delivery:
    attempts = tuple(
        Attempt(**{name: value for name, value in each.items() if name != "delivery_id"})
        for each in delivery_rows.attempts_of(connection, row["id"])
    )
    return _delivery(row, attempts)


def _delivery(row: sa.RowMapping, attempts: tuple[Attempt, ...] = ()) -> Delivery:
    return Delivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        job_id=row["job_id"],
        event=row["event"],
        state=DeliveryState(row["state"]),
        attempt_count=row["attempts"],
        next_at=row["next_at"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        attempts=attempts,
    )

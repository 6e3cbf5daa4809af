"""Delivering webhooks: at least once, by the schedule of the dialect they belong to."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from earmark.errors import AddressForbidden, EarmarkError, FetchError, InvalidOption, NotFound
from earmark.service._delivery import (
    DeliveryState,
    Event,
    EventFormat,
    WebhookFormat,
    event_of,
)
from earmark.service._http import Http
from earmark.service._observe import Observer
from earmark.service._rows import job_of
from earmark.service._service import Service
from earmark.storage import deliveries as rows
from earmark.storage import jobs as job_rows
from earmark.storage import webhooks as webhook_rows

__all__ = ["Courier"]

# Attempts under way at once, so that receivers that hang keep neither other tenants waiting nor
# other receivers of their own.
_THREADS = 64
_PER_TENANT = 16
_PER_RECEIVER = 4

_LOOK_S = 0.5  # other processes end jobs too
_LEASE_MARGIN_S = 60.0  # to read the result and to note what became of the attempt
_ANSWER_BYTES = 2048
_LATEST_S = 24 * 3600.0  # no receiver puts an attempt off for longer

_ORIGIN = re.compile(r"[^/?#]*//[^/?#]*")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """What came of an attempt: the columns of its row, and when the receiver wants the next."""

    started_at: float
    duration_s: float
    status: int | None
    reason: str | None
    answer: str
    retry_after_s: float | None


class Courier:
    """Threads that deliver what is due; several processes may run one.

    ``formats`` are the dialects' by name. Whoever tries a delivery has leased it. What becomes of
    an attempt is noted at its end: where that cannot be (the process died, the storage does not
    answer), the delivery is tried again, by any courier, once the lease is over.
    """

    def __init__(
        self,
        service: Service,
        formats: Mapping[str, WebhookFormat],
        *,
        http: Http | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._service, self._formats = service, formats
        self._http = http or service.http
        self._observer = observer or Observer()
        self._database = service.store.database
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="courier")
        self._under_way: dict[str, tuple[str, str]] = {}  # delivery: its tenant and receiver
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin no more attempts and wait for those under way; each ends in its timeout."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        troubled = False
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                while not self._stopping.is_set() and self._begin_next():
                    pass
                troubled = False
            except (EarmarkError, sa.exc.SQLAlchemyError) as error:
                if not troubled:
                    _log.warning("Webhooks wait until the storage answers: %s", error)
                troubled = True
            self._wake.wait(_LOOK_S)

    def _begin_next(self) -> bool:
        """Lease the delivery that is due first, of those that may be begun, and have it tried."""
        with self._lock:
            receivers = Counter(self._under_way.values())
        if receivers.total() >= _THREADS:
            return False
        tenants = Counter(tenant_id for tenant_id, _ in receivers.elements())
        now = time.time()
        with self._database.write() as connection:
            row = rows.next_due(
                connection,
                now=now,
                dialects=self._formats.keys(),
                busy_tenants=[key for key, count in tenants.items() if count >= _PER_TENANT],
                busy_receivers=[key for key, count in receivers.items() if count >= _PER_RECEIVER],
            )
            if row is None:
                return False
            lease = now + self._formats[row["dialect"]].timeout_s + _LEASE_MARGIN_S
            rows.update(connection, row["id"], {"leased_until": lease})
        with self._lock:
            self._under_way[row["id"]] = (row["tenant_id"], _origin(row["url"]))
        future = self._pool.submit(self._deliver, row, lease)
        future.add_done_callback(partial(self._ended, row["id"]))
        return True

    def _ended(self, delivery_id: str, future: Future[None]) -> None:
        with self._lock:
            del self._under_way[delivery_id]
        self._wake.set()
        error = future.exception()
        if isinstance(error, EarmarkError):
            _log.warning("The delivery %s is tried again later: %s", delivery_id, error)
        elif error is not None:
            _log.error(
                "The delivery %s ended in disorder and is tried again later.",
                delivery_id,
                exc_info=error,
            )

    def _deliver(self, row: sa.RowMapping, lease: float) -> None:
        """One attempt, and what follows from it."""
        form = self._formats[row["dialect"]]
        body = self._body(form, row)
        if body is None:
            with self._database.write() as connection:
                rows.update(
                    connection,
                    row["id"],
                    {**_over(DeliveryState.FAILED), "leased_until": 0.0},
                    leased_until=lease,
                    next_at=row["next_at"],
                )
            return
        outcome = self._attempt(form, row, body)
        if row["result_sealed"]:  # it may say again what it was told
            outcome = replace(outcome, answer="")
        self._note(form, row, lease, outcome)
        self._observer.webhook_attempt(
            dialect=row["dialect"],
            outcome=outcome.reason or "delivered",
            duration_s=outcome.duration_s,
        )

    def _body(self, form: WebhookFormat, row: sa.RowMapping) -> bytes | None:
        """What to send; None when it is not to be sent, or the job or its result is no more."""
        if row["disabled_at"] is not None:
            return None
        if row["detail"] is not None:
            return form.event(_event(row)) if isinstance(form, EventFormat) else None
        with self._database.read() as connection:
            found = job_rows.fetch(connection, row["job_id"])
        if found is None or event_of(found["state"]) != row["event"]:
            return None  # deleted or expired
        job = job_of(found)
        try:
            return form.body(job, lambda: self._service.jobs.document(job))
        except NotFound:
            return None

    def _attempt(self, form: WebhookFormat, row: sa.RowMapping, body: bytes) -> _Outcome:
        now, start = time.time(), time.monotonic()
        headers = form.headers(
            secret=row["webhook_secret"] if form.shares_secret else row["secret"],
            delivery_id=row["id"],
            attempt=row["attempts"] + 1,
            last_reason=self._last_reason(row),
            body=body,
            now=now,
        )
        status, reason, retry_after_s = None, None, None
        try:
            answer = self._http.request(
                "POST",
                row["url"],
                headers=headers,
                body=body,
                timeout_s=form.timeout_s,
                max_answer_bytes=_ANSWER_BYTES,
            )
        except FetchError as error:
            text, reason = str(error), error.reason
        except InvalidOption as error:  # the rules for addresses have become stricter
            text, reason = str(error), AddressForbidden(str(error)).reason
        else:
            text, status = answer.body.decode("utf-8", "replace"), answer.status
            reason = None if 200 <= status < 300 else "status"
            retry_after_s = answer.retry_after_s
        return _Outcome(
            started_at=now,
            duration_s=time.monotonic() - start,
            status=status,
            reason=reason,
            answer=text.replace("\0", ""),  # PostgreSQL keeps none
            retry_after_s=retry_after_s,
        )

    def _note(
        self, form: WebhookFormat, row: sa.RowMapping, lease: float, outcome: _Outcome
    ) -> None:
        """Put an attempt on record, with what it means for its delivery."""
        gone = outcome.status == 410 and form.disables_on_gone
        with self._database.write() as connection:
            if gone:  # the webhook comes first, or several of these would wait for each other
                off = {"disabled_at": time.time(), "disabled_reason": "its receiver answered 410"}
                webhook_rows.update(connection, row["webhook_id"], off)
            current = rows.fetch(connection, row["id"], lock=True)
            if current is None:
                return  # deleted with its webhook
            number = current["attempts"] + 1
            rows.record_attempt(
                connection,
                {
                    "delivery_id": row["id"],
                    "number": number,
                    "started_at": outcome.started_at,
                    "duration_s": outcome.duration_s,
                    "status": outcome.status,
                    "reason": outcome.reason,
                    "answer": outcome.answer,
                },
            )
            values: dict[str, Any] = {"attempts": number}
            ours = current["leased_until"] == lease
            if ours:
                values["leased_until"] = 0.0
            if current["next_at"] != row["next_at"]:
                pass  # asked for again meanwhile, so that another attempt follows in any case
            elif outcome.reason is None:
                values |= _over(DeliveryState.DELIVERED)
            elif ours and current["state"] == DeliveryState.PENDING:
                values |= _after_failure(form, number, gone, outcome.retry_after_s)
            rows.update(connection, row["id"], values)
            if gone:
                rows.fail_pending(connection, row["webhook_id"], time.time())

    def _last_reason(self, row: sa.RowMapping) -> str | None:
        if row["attempts"] == 0:
            return None
        with self._database.read() as connection:
            before = rows.attempts_of(connection, row["id"])
        return before[-1]["reason"] if before else None


def _event(row: sa.RowMapping) -> Event:
    return Event(
        id=row["id"],
        tenant_id=row["tenant_id"],
        about=row["job_id"],
        name=row["event"],
        at=row["created_at"],
        detail=row["detail"],
    )


def _origin(url: str) -> str:
    """Scheme and host of an address, for one that has both."""
    found = _ORIGIN.match(url)
    return found[0] if found else url


def _over(state: DeliveryState) -> dict[str, Any]:
    return {"state": state, "finished_at": time.time()}


def _after_failure(
    form: WebhookFormat, number: int, gone: bool, asked_s: float | None
) -> dict[str, Any]:
    """What follows when attempt ``number`` has failed."""
    if gone or number >= len(form.schedule_s):
        return _over(DeliveryState.FAILED)
    wait = form.schedule_s[number] * (1 + form.jitter * random.random())
    if form.honours_retry_after and asked_s is not None:
        wait = max(wait, min(asked_s, _LATEST_S))
    return {"next_at": time.time() + wait}

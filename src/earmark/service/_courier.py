"""Delivering webhooks: at least once, by the schedule of the dialect they belong to."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from earmark.errors import DiskFull, EarmarkError, FetchError, Unavailable
from earmark.service._delivery import DeliveryState, WebhookFormat
from earmark.service._http import Answer, Http
from earmark.service._model import Job
from earmark.service._observe import Observer, Unobserved
from earmark.service._rows import job_of
from earmark.service._service import Service
from earmark.storage import jobs as job_rows
from earmark.storage import webhooks as rows

__all__ = ["Courier"]

_THREADS = 16
_PER_WEBHOOK = 4  # one receiver that hangs must not keep all threads
_LOOK_S = 0.5  # other processes end jobs too
_LEASE_MARGIN_S = 30.0
_ANSWER_BYTES = 2048
_LATEST_S = 24 * 3600.0  # no receiver puts an attempt off for longer

_log = logging.getLogger(__name__)


class Courier:
    """Threads that deliver what is due; several processes may run one.

    ``formats`` are the dialects' by name. A delivery that this process dies with is tried again
    by any courier once its lease is over.
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
        self._http = http or Http(service.settings)
        self._observer = observer or Unobserved()
        self._database = service.store.database
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="courier")
        self._under_way: Counter[str] = Counter()  # webhook id: deliveries in the pool
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
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _run(self) -> None:
        troubled = False
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._begin_due()
                troubled = False
            except (Unavailable, DiskFull) as error:
                if not troubled:
                    _log.warning("Webhooks wait until the storage answers: %s", error)
                troubled = True
            self._wake.wait(_LOOK_S)

    def _begin_due(self) -> None:
        with self._lock:
            free = _THREADS - self._under_way.total()
            busy = [key for key, count in self._under_way.items() if count >= _PER_WEBHOOK]
        if free == 0:
            return
        with self._database.read() as connection:
            found = rows.due(connection, now=time.time(), busy=busy, limit=free)
        for row in found:
            with self._lock:
                if self._under_way[row["webhook_id"]] >= _PER_WEBHOOK:
                    continue
            if self._lease(row):
                with self._lock:
                    self._under_way[row["webhook_id"]] += 1
                self._pool.submit(self._deliver, row)

    def _lease(self, row: sa.RowMapping) -> bool:
        now = time.time()
        form = self._formats.get(row["dialect"])
        until = now + (form.timeout_s if form else 0.0) + _LEASE_MARGIN_S
        with self._database.write() as connection:
            return rows.lease(connection, row["id"], now=now, until=until)

    def _deliver(self, row: sa.RowMapping) -> None:
        """One attempt, and what follows from it."""
        try:
            form = self._formats.get(row["dialect"])
            body = self._body(form, row) if form and row["disabled_at"] is None else None
            if form is None or body is None:
                self._end(row, DeliveryState.FAILED)
            else:
                self._attempt(form, row, body)
        except EarmarkError as error:
            _log.warning("The delivery %s is tried again later: %s", row["id"], error)
        finally:
            with self._lock:
                self._under_way[row["webhook_id"]] -= 1
                self._under_way += Counter()  # forgets the zeros
            self._wake.set()

    def _body(self, form: WebhookFormat, row: sa.RowMapping) -> bytes | None:
        """What to send; None when the job, or the result to be sent, is no more."""
        with self._database.read() as connection:
            job_row = job_rows.fetch(connection, row["job_id"])
        if job_row is None:
            return None
        job: Job = job_of(job_row)
        if f"job.{job.state.value}" != row["event"]:
            return None  # it has expired
        return form.body(job, lambda: self._service.jobs.document(job))

    def _attempt(self, form: WebhookFormat, row: sa.RowMapping, body: bytes) -> None:
        number, now = row["attempts"] + 1, time.time()
        answer, failure = None, None
        try:
            answer = self._http.request(
                "POST",
                row["url"],
                headers=form.headers(
                    secret=self._secret(row),
                    delivery_id=row["id"],
                    attempt=number,
                    last_reason=self._last_reason(row),
                    body=body,
                    now=now,
                ),
                body=body,
                timeout_s=form.timeout_s,
                max_answer_bytes=_ANSWER_BYTES,
            )
        except FetchError as error:
            failure = error
        reason = failure.reason if failure else _reason(answer)
        took = answer.duration_s if answer else time.time() - now
        text = answer.body.decode("utf-8", "replace").replace("\0", "") if answer else ""
        attempt = {
            "delivery_id": row["id"],
            "number": number,
            "started_at": now,
            "duration_s": took,
            "status": answer.status if answer else None,
            "reason": reason,
            "answer": text if answer else str(failure),
        }
        with self._database.write() as connection:
            rows.record(connection, attempt)
            self._follow(connection, form, row, number, reason, answer)
        self._observer.webhook_attempt(
            dialect=row["dialect"], outcome=reason or "delivered", duration_s=took
        )

    def _follow(
        self,
        connection: sa.Connection,
        form: WebhookFormat,
        row: sa.RowMapping,
        number: int,
        reason: str | None,
        answer: Answer | None,
    ) -> None:
        now = time.time()
        values: dict[str, object] = {"attempts": number, "leased_until": 0.0}
        gone = answer is not None and answer.status == 410 and form.disables_on_gone
        if reason is None:
            values |= {"state": DeliveryState.DELIVERED, "finished_at": now}
        elif gone or number >= len(form.schedule_s):
            values |= {"state": DeliveryState.FAILED, "finished_at": now}
        else:
            values |= {"next_at": now + _wait(form, number, answer)}
        rows.change_delivery(connection, row["id"], values)
        if gone:
            off = {"disabled_at": now, "disabled_reason": "its receiver answered 410 Gone"}
            rows.change(connection, row["webhook_id"], off)
            rows.fail_pending(connection, row["webhook_id"], now)

    def _end(self, row: sa.RowMapping, state: DeliveryState) -> None:
        values = {"state": state, "finished_at": time.time(), "leased_until": 0.0}
        with self._database.write() as connection:
            rows.change_delivery(connection, row["id"], values)

    def _last_reason(self, row: sa.RowMapping) -> str | None:
        with self._database.read() as connection:
            before = rows.attempts_of(connection, row["id"])
        return str(before[-1]["reason"]) if before and before[-1]["reason"] else None

    def _secret(self, row: sa.RowMapping) -> str:
        return str(row["secret"] if row["dialect"] == "native" else row["webhook_secret"])


def _reason(answer: Answer | None) -> str | None:
    return None if answer is not None and 200 <= answer.status < 300 else "status"


def _wait(form: WebhookFormat, number: int, answer: Answer | None) -> float:
    """Seconds until the attempt after this one."""
    planned = form.schedule_s[number] * (1 + form.jitter * random.random())
    asked = answer.retry_after_s if answer and form.honours_retry_after else None
    return max(planned, min(asked or 0.0, _LATEST_S))

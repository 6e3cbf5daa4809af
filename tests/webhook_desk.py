"""A tenant whose jobs end as a test wants, and what became of telling its webhooks."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from earmark.errors import Kind
from earmark.service import (
    Caller,
    Courier,
    Delivery,
    Job,
    JobError,
    JobKind,
    Queue,
    Scope,
    Service,
    Submission,
    WebhookFormat,
)
from earmark.service._http import Http
from earmark.settings import Settings
from earmark.storage import Database, webhooks
from earmark.storage import deliveries as rows
from earmark.storage._schema import tenants
from stores import store_on
from waiting import until

__all__ = ["ALLOWED", "OK", "Desk", "Plain", "answering"]

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
ALLOWED = ("127.0.0.1",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plain:
    """A format of webhooks that shows what it was asked with."""

    schedule_s: tuple[float, ...] = (0.0, 600.0, 6000.0)
    jitter: float = 0.1
    timeout_s: float = 20.0
    shares_secret: bool = False
    honours_retry_after: bool = True
    disables_on_gone: bool = True

    def body(self, job: Job, document: Callable[[], bytes]) -> bytes:
        return json.dumps([job.id, job.state, job.result_blob and document().decode()]).encode()

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
        return {
            "X-Delivery": delivery_id,
            "X-Attempt": str(attempt),
            "X-Last": str(last_reason),
            "X-Secret": secret,
            "X-Now": str(now),
            "X-Length": str(len(body)),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """One tenant of a service on this machine; ``also()`` is another one."""

    service: Service
    caller: Caller

    @classmethod
    def of(cls, database: Database, folder: Path, *, allowed: tuple[str, ...] = ALLOWED) -> Self:
        settings = Settings(data_dir=folder, allow_http=True, allow_addresses=allowed)
        return cls(service=Service(store_on(database, settings)), caller=_tenant(database))

    def also(self) -> Desk:
        return replace(self, caller=_tenant(self.service.store.database))

    def submit(self, url: str, *, dialect: str = "native") -> Job:
        submission = Submission(
            dialect=dialect,
            kind=JobKind.DIARIZE,
            url="https://recordings.example.com/call.wav",
            webhook=url,
        )
        return self.service.jobs.submit(self.caller, submission).job

    def end_job(self, url: str, *, dialect: str = "native", document: bytes = b"{}") -> Delivery:
        """The delivery that is due when a job has succeeded."""
        job, queue = self.submit(url, dialect=dialect), Queue(self.service.store)
        assert queue.claim("me") is not None
        blob = f"results/{self.caller.tenant_id}/{job.id}-1"
        self.service.store.blobs.put(blob, document)
        timings = {"fetching": 0.25, "analysing": 1.5}
        assert queue.succeed(job.id, "me", result_blob=blob, audio_s=30.0, timings=timings)
        return self.of_job(job.id)

    def fail_job(self, url: str) -> Delivery:
        """The delivery that is due when a job has failed."""
        job, queue = self.submit(url), Queue(self.service.store)
        assert queue.claim("me") is not None
        error = JobError(kind=Kind.INVALID, code="audio.empty", message="There is no audio.")
        assert queue.fail(job.id, "me", error)
        return self.of_job(job.id)

    def more(self, delivery: Delivery, *urls: str) -> list[str]:
        """The ids of deliveries of the same job to other addresses, due at once."""
        with self.service.store.database.write() as connection:
            found = []
            for url in urls:
                webhook_id = webhooks.ensure(
                    connection,
                    tenant_id=self.caller.tenant_id,
                    dialect="native",
                    url=url,
                    new_secret=lambda: "whsec_c2VjcmV0",
                    now=time.time(),
                )
                found.append(
                    rows.enqueue(
                        connection,
                        tenant_id=self.caller.tenant_id,
                        webhook_id=webhook_id,
                        job_id=delivery.job_id,
                        event=delivery.event,
                        now=time.time(),
                    )
                )
        return [each for each in found if each is not None]

    def of_job(self, job_id: str) -> Delivery:
        (found,) = self.service.webhooks.deliveries(self.caller, job_id=job_id).items
        return found

    def look(self, delivery: Delivery | str) -> Delivery:
        found = delivery if isinstance(delivery, str) else delivery.id
        return self.service.webhooks.delivery(self.caller, found)

    def after(self, delivery: Delivery | str, attempts: int) -> Delivery:
        """The delivery as it stands after so many attempts, which are waited for."""
        return until(
            lambda: found if (found := self.look(delivery)).attempt_count >= attempts else None
        )

    def over(self, delivery: Delivery | str) -> Delivery:
        """The delivery when it has ended, which is waited for."""
        return until(lambda: found if (found := self.look(delivery)).finished_at else None)

    def lease(self, delivery: Delivery) -> float:
        with self.service.store.database.read() as connection:
            row = rows.fetch(connection, delivery.id)
        assert row is not None
        return float(row["leased_until"])

    def change(self, delivery: Delivery, **values: Any) -> None:
        """Change the row, as time would."""
        with self.service.store.database.write() as connection:
            rows.update(connection, delivery.id, values)

    def make_due(self, delivery: Delivery) -> None:
        self.change(delivery, next_at=time.time() - 1)

    @contextmanager
    def courier(
        self,
        form: WebhookFormat | Mapping[str, WebhookFormat] | None = None,
        http: Http | None = None,
    ) -> Iterator[Courier]:
        """A courier at work."""
        formats = form if isinstance(form, Mapping) else {"native": form or Plain()}
        courier = Courier(self.service, formats, http=http)
        courier.start()
        try:
            yield courier
        finally:
            courier.stop()


def answering(status: str, body: bytes = b"", *headers: str) -> bytes:
    """A whole answer, byte for byte."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _tenant(database: Database) -> Caller:
    tenant_id = str(uuid.uuid4())
    with database.write() as connection:
        connection.execute(
            tenants.insert().values(
                id=tenant_id, name=tenant_id, created_at=0.0, webhook_secret="whs_of_the_team"
            )
        )
    return Caller(tenant_id=tenant_id, key_id="EK1", scopes=frozenset({Scope.JOBS}))

"""What a process counts and times, for Prometheus."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from earmark.errors import EarmarkError
from earmark.live import CloseReason
from earmark.service import JobKind, JobState, Observer, Service
from earmark.storage import jobs

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_WORK_S = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0)
_FACTOR = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0)

_log = logging.getLogger(__name__)


class Metrics(Observer):
    """The metrics of one process, in a registry of their own; an `Observer` of the service.

    No label takes what a client sends: routes are templates, methods and outcomes are known words.
    """

    def __init__(self, service: Service) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a time per series that nobody asks for
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(_Jobs(service))
        self.registry.register(_Live(service))
        self._finished = Counter(
            "earmark_jobs_finished",
            "Jobs that this process ran to their end.",
            ["kind", "state"],
            registry=self.registry,
        )
        self._wait = self._histogram(
            "earmark_job_wait_seconds", "From submission to the begin of work.", ["kind"], _WORK_S
        )
        self._stage = self._histogram(
            "earmark_job_stage_seconds", "Time in each stage of a job.", ["kind", "stage"], _WORK_S
        )
        self._factor = self._histogram(
            "earmark_job_real_time_factor",
            "Seconds of analysis per second of audio.",
            ["kind"],
            _FACTOR,
        )
        self._webhooks = self._histogram(
            "earmark_webhook_attempt_seconds",
            "Attempts at webhooks, by how they ended.",
            ["dialect", "outcome"],
            _LATENCY_S,
        )
        self._http = self._histogram(
            "earmark_http_request_seconds",
            "HTTP requests and WebSockets, from the first to the last byte.",
            ["method", "route", "status"],
            _LATENCY_S,
        )
        self._grpc = self._histogram(
            "earmark_grpc_request_seconds",
            "gRPC calls, from the first to the last message.",
            ["method", "code"],
            _LATENCY_S,
        )

    def job_finished(
        self,
        *,
        kind: JobKind,
        state: JobState,
        wait_s: float,
        timings: Mapping[str, float],
        audio_s: float | None,
    ) -> None:
        """Count a job that is over."""
        self._finished.labels(kind.value, state.value).inc()
        self._wait.labels(kind.value).observe(wait_s)
        for stage, duration_s in timings.items():
            self._stage.labels(kind.value, stage).observe(duration_s)
        if audio_s and "analysing" in timings:
            self._factor.labels(kind.value).observe(timings["analysing"] / audio_s)

    def webhook_attempt(self, *, dialect: str, outcome: str, duration_s: float) -> None:
        """Count an attempt at a webhook."""
        self._webhooks.labels(dialect, outcome).observe(duration_s)

    def http_request(self, *, method: str, route: str, status: int, duration_s: float) -> None:
        """Count a request; ``route`` is the template that it matched."""
        self._http.labels(method, route, str(status)).observe(duration_s)

    def grpc_call(self, *, method: str, code: str, duration_s: float) -> None:
        """Count a call of a method that there is."""
        self._grpc.labels(method, code).observe(duration_s)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _histogram(
        self, name: str, help_: str, labels: list[str], buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(name, help_, labels, buckets=buckets, registry=self.registry)


class _Jobs(Collector):
    """Counts the jobs in the database when asked; every process tells the same."""

    def __init__(self, service: Service) -> None:
        self._database = service.store.database

    def describe(self) -> Iterator[Metric]:
        yield _jobs_gauge()

    def collect(self) -> Iterator[Metric]:
        gauge = _jobs_gauge()
        try:
            with self._database.read() as connection:
                counts = jobs.totals(connection)
        except EarmarkError as error:
            _log.warning("The jobs cannot be counted: %s", error)
            return
        for kind in JobKind:
            for state in JobState:
                gauge.add_metric([kind.value, state.value], counts.get((kind, state), 0))
        yield gauge


class _Live(Collector):
    """What there is of live sessions in this process."""

    def __init__(self, service: Service) -> None:
        self._sessions = service.live

    def describe(self) -> Iterator[Metric]:
        yield _open_gauge()
        yield _ended_counter()

    def collect(self) -> Iterator[Metric]:
        gauge, counter = _open_gauge(), _ended_counter()
        gauge.add_metric([], self._sessions.count)
        yield gauge
        for reason in CloseReason:
            counter.add_metric([reason.value], self._sessions.endings[reason])
        yield counter


def _open_gauge() -> GaugeMetricFamily:
    return GaugeMetricFamily("earmark_live_sessions", "Live sessions that are open.")


def _ended_counter() -> CounterMetricFamily:
    return CounterMetricFamily(
        "earmark_live_sessions_ended", "Live sessions that are over.", labels=["reason"]
    )


def _jobs_gauge() -> GaugeMetricFamily:
    return GaugeMetricFamily("earmark_jobs", "Jobs in the database.", labels=["kind", "state"])

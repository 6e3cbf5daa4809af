"""What was measured of a running service."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from earmark.bench._machine import Machine
from earmark.bench._service_processes import MemoryLine

__all__ = [
    "Latency",
    "Overhead",
    "ServiceReport",
    "Throughput",
    "Upload",
    "percentile",
    "service_document",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Overhead:
    """One recording of ``duration`` seconds by a `Diarizer` and by the service, in turns.

    Seconds per pass, wall and CPU: ``diarizer_s`` from the call to the result; ``uploaded_s`` from
    sending the request for a recording that the server has until the client knows that the job
    has succeeded; ``sent_s`` the same with the upload before it. ``service_cpu_s`` belongs to
    ``uploaded_s`` and counts all processes of the server; without Linux there is none. ``parts``
    says what ``uploaded_s`` was made of, also per pass: ``queued`` from the job's creation to its
    start, ``analysing`` and ``storing`` as the server tells, ``other`` the rest.
    """

    duration: float
    diarizer_s: tuple[float, ...]
    diarizer_cpu_s: tuple[float, ...]
    uploaded_s: tuple[float, ...]
    service_cpu_s: tuple[float, ...]
    sent_s: tuple[float, ...]
    parts: Mapping[str, tuple[float, ...]]

    @property
    def ratio(self) -> float:
        """How much longer the service takes for a recording that it has; 0.03 is 3 %."""
        return median(self.uploaded_s) / median(self.diarizer_s) - 1

    @property
    def sent_ratio(self) -> float:
        """The same, with the upload."""
        return median(self.sent_s) / median(self.diarizer_s) - 1

    @property
    def cpu_ratio(self) -> float | None:
        """How much more CPU time the service takes."""
        if not self.service_cpu_s:
            return None
        return median(self.service_cpu_s) / median(self.diarizer_cpu_s) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Throughput:
    """``jobs`` recordings of ``clip_s`` seconds each; wall seconds for all of them, per pass.

    ``service_s`` from the first request until the client knows that the last job has succeeded,
    ``diarizer_s`` the sum over one call after the other of a `Diarizer`.
    """

    jobs: int
    clip_s: float
    service_s: tuple[float, ...]
    diarizer_s: tuple[float, ...]

    @property
    def per_minute(self) -> float:
        return 60 * self.jobs / median(self.service_s)

    @property
    def diarizer_per_minute(self) -> float:
        return 60 * self.jobs / median(self.diarizer_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """``size`` bytes sent in ``seconds``, and the server's memory meanwhile, where it is known."""

    way: str
    size: int
    seconds: float
    memory: MemoryLine | None

    @property
    def mb_per_s(self) -> float:
        return self.size / self.seconds / 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """Seconds that requests took, one after the other on one connection."""

    state: str
    seconds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceReport:
    """A run of `bench_service`; what was not measured is None or empty."""

    file: str
    machine: Machine
    models: Mapping[str, str]
    overhead: Overhead | None
    throughput: Throughput | None
    uploads: tuple[Upload, ...]
    latencies: tuple[Latency, ...]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` of them do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def service_document(report: ServiceReport) -> dict[str, Any]:
    """The document ``earmark.bench.service/1``. Times are seconds, memory 10^6 bytes."""
    overhead, throughput = report.overhead, report.throughput
    return {
        "schema": "earmark.bench.service/1",
        "file": report.file,
        "machine": asdict(report.machine),
        "models": dict(report.models),
        "overhead": overhead
        and _rounded(
            asdict(overhead)
            | {
                "ratio": overhead.ratio,
                "sent_ratio": overhead.sent_ratio,
                "cpu_ratio": overhead.cpu_ratio,
            }
        ),
        "throughput": throughput
        and _rounded(
            asdict(throughput)
            | {
                "per_minute": throughput.per_minute,
                "diarizer_per_minute": throughput.diarizer_per_minute,
            }
        ),
        "uploads": [
            _rounded(
                {
                    "way": upload.way,
                    "size": upload.size,
                    "seconds": upload.seconds,
                    "mb_per_s": upload.mb_per_s,
                    "memory": upload.memory and _memory(upload.memory),
                }
            )
            for upload in report.uploads
        ],
        "latencies": [
            _rounded(
                {
                    "state": latency.state,
                    "requests": len(latency.seconds),
                    "p50": percentile(latency.seconds, 50),
                    "p99": percentile(latency.seconds, 99),
                    "max": max(latency.seconds),
                }
            )
            for latency in report.latencies
        ],
    }


def _memory(line: MemoryLine) -> dict[str, Any]:
    return {
        "start_mb": line.start_mb,
        "peak_mb": line.peak_mb,
        "slope_mb": line.slope_mb,
        "samples": [list(sample) for sample in line.samples],
    }


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 5)
        case dict():
            return {key: _rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
    return value

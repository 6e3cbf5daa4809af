"""The measurements of a running service, one function each."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import httpx

from earmark.bench._diarization import OnStep
from earmark.bench._service_processes import ProcessTree
from earmark.bench._service_report import Latency, Overhead, Throughput, Upload
from earmark.bench._service_server import Served
from earmark.bench._worker import Worker
from earmark.client import Client, Job
from earmark.errors import ApiError, DiskFull

__all__ = [
    "measure_latency",
    "measure_overhead",
    "measure_throughput",
    "measure_uploads",
    "submit_all",
    "wait_all",
]

_AT_ONCE = 8  # connections that jobs are submitted on
_PACE_S = 0.02  # from one request whose latency is measured to the next


def measure_overhead(
    served: Served, diarizer: Worker, recording: Path, *, passes: int, on_step: OnStep
) -> Overhead:
    """The same recording by a `Diarizer` and by the service, in turns, nothing else running."""
    tree = ProcessTree(served.pid)
    answers, seconds = [], list[tuple[float, float]]()
    cpu_s: list[float] = []
    parts: dict[str, list[float]] = {}
    with served.client() as client:
        on_step("uploading the recording")
        media = client.upload(recording)
        for number in range(1, passes + 1):
            on_step(f"one recording, pass {number} of {passes}: a Diarizer")
            answers.append(diarizer.run(recording))
            on_step(f"one recording, pass {number} of {passes}: the service")
            cpu_before, begun = tree.cpu_s(), time.perf_counter()
            # A name of its own: a question that was answered before is not worked on again.
            job = succeeded(client.diarize(media, name=f"pass {number}"))
            uploaded_s = time.perf_counter() - begun
            cpu_after = tree.cpu_s()
            if cpu_before is not None and cpu_after is not None:
                cpu_s.append(cpu_after - cpu_before)
            for part, took in _parts(job, uploaded_s).items():
                parts.setdefault(part, []).append(took)
            on_step(f"one recording, pass {number} of {passes}: the service, with the upload")
            begun = time.perf_counter()
            succeeded(client.diarize(recording, name=f"pass {number}, sent")).delete()
            seconds.append((uploaded_s, time.perf_counter() - begun))
    return Overhead(
        duration=answers[0]["duration"],
        diarizer_s=tuple(answer["wall_s"] for answer in answers),
        diarizer_cpu_s=tuple(answer["cpu_s"] for answer in answers),
        uploaded_s=tuple(uploaded for uploaded, _ in seconds),
        service_cpu_s=tuple(cpu_s),
        sent_s=tuple(sent for _, sent in seconds),
        parts={part: tuple(took) for part, took in parts.items()},
    )


def measure_throughput(
    served: Served, diarizer: Worker, clips: Sequence[Path], *, passes: int, on_step: OnStep
) -> Throughput:
    """Many short recordings: submitted at once to the service, and one by one to a `Diarizer`."""
    service_s, diarizer_s, clip_s = list[float](), list[float](), 0.0
    with served.client() as client:
        for number in range(1, passes + 1):
            on_step(f"{len(clips)} jobs, pass {number} of {passes}: a Diarizer")
            answers = [diarizer.run(clip) for clip in clips]
            clip_s = answers[0]["duration"]
            diarizer_s.append(sum(answer["wall_s"] for answer in answers))
            on_step(f"{len(clips)} jobs, pass {number} of {passes}: the service")
            begun = time.perf_counter()
            wait_all(submit_all(client, clips, name=f"pass {number}"))
            service_s.append(time.perf_counter() - begun)
    return Throughput(
        jobs=len(clips),
        clip_s=clip_s,
        service_s=tuple(service_s),
        diarizer_s=tuple(diarizer_s),
    )


def measure_uploads(
    served: Served, folder: Path, *, size: int, on_step: OnStep
) -> tuple[Upload, ...]:
    """``size`` bytes of noise in an upload session, then in one form, and the server's memory.

    Noise is no recording, so the job that the form makes ends as soon as it begins. Raises
    `DiskFull` when there is no room for the noise.
    """
    on_step("making a file to upload")
    noise = folder / "noise.bin"
    _write_noise(noise, size)
    tree = ProcessTree(served.pid)
    on_step("uploading in parts")
    with served.client() as client, served.http() as http:
        with tree.memory_line() as line:
            begun = time.perf_counter()
            media = client.upload(noise)
            seconds = time.perf_counter() - begun
        in_parts = Upload(way="in parts", size=size, seconds=seconds, memory=line)
        _delete(http, f"/media/{media['id']}")
        on_step("uploading in a form")
        with noise.open("rb") as file, tree.memory_line() as line:
            begun = time.perf_counter()
            answer = http.post("/diarizations", files={"file": (noise.name, file)})
            seconds = time.perf_counter() - begun
        _check(answer)
        _delete(http, f"/jobs/{answer.json()['id']}")
    noise.unlink()
    return in_parts, Upload(way="in a form", size=size, seconds=seconds, memory=line)


def measure_latency(
    served: Served, clips: Sequence[Path], *, requests: int, on_step: OnStep
) -> tuple[Latency, ...]:
    """``GET /api/v1/jobs/{id}``, again and again: while nothing runs, and while jobs do."""
    with served.client() as client, served.http() as http:
        wait_all(known := submit_all(client, clips[:1], name="latency"))
        on_step("requests while the worker is idle")
        idle = list[float]()
        while len(idle) < requests:
            idle.append(_look_at(http, known[0])[0])
        busy = list[float]()
        batch = 0
        while len(busy) < requests:
            batch += 1
            on_step(f"requests while the worker is busy, {len(busy)} of {requests}")
            jobs = submit_all(client, clips, name=f"latency, batch {batch}")
            for job in jobs:  # in the order in which they are done
                over = False
                while not over and len(busy) < requests:
                    seconds, over = _look_at(http, job)
                    busy.append(seconds)
            for job in jobs:
                job.delete()
    return Latency(state="idle", seconds=tuple(idle)), Latency(state="busy", seconds=tuple(busy))


def submit_all(client: Client, clips: Sequence[Path], *, name: str) -> list[Job]:
    """A job for each of the files, as fast as they are taken; ``name`` makes them new to it."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda clip: client.diarize(clip, name=f"{name}, {clip.name}"), clips))


def wait_all(jobs: Sequence[Job]) -> None:
    """Wait until all have succeeded. Raises `ApiError` when one has not."""
    for job in jobs:
        succeeded(job)


def succeeded(job: Job) -> Job:
    """The job, once it has succeeded. Raises `ApiError` when it has not."""
    job.wait()
    if job.state != "succeeded":
        raise job.error or ApiError(
            f"The job {job.id} is {job.state}.", code="job", status=409, request_id=None
        )
    return job


def _parts(job: Job, wall_s: float) -> dict[str, float]:
    """What the time of a job was made of, see `Overhead`."""
    created, started = (
        datetime.fromisoformat(job.document[name]) for name in ("created_at", "started_at")
    )
    parts = {"queued": (started - created).total_seconds(), **job.document["timings"]}
    return parts | {"other": wall_s - sum(parts.values())}


def _look_at(http: httpx.Client, job: Job) -> tuple[float, bool]:
    """Seconds that the answer took, and whether it says that the job is over."""
    begun = time.perf_counter()
    answer = http.get(f"/jobs/{job.id}")
    seconds = time.perf_counter() - begun
    _check(answer)
    time.sleep(max(0.0, _PACE_S - seconds))
    return seconds, answer.json()["state"] not in ("queued", "running")


def _delete(http: httpx.Client, path: str) -> None:
    _check(http.delete(path))


def _check(answer: httpx.Response) -> None:
    if not answer.is_success:
        raise ApiError(answer.text, code="http", status=answer.status_code, request_id=None)


def _write_noise(path: Path, size: int) -> None:
    block = random.Random(0).randbytes(1 << 20)
    try:
        with path.open("wb") as file:
            for offset in range(0, size, len(block)):
                file.write(block[: size - offset])
    except OSError as error:
        raise DiskFull(f"Cannot write {path}: {error.strerror}.") from error

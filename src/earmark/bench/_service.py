"""What the service costs beside the engine alone, and what it can take."""

from __future__ import annotations

import tempfile
import wave
from collections.abc import Collection
from pathlib import Path

from earmark.bench._diarization import OnStep, silence
from earmark.bench._long import concatenate
from earmark.bench._machine import this_machine
from earmark.bench._service_measures import (
    measure_latency,
    measure_overhead,
    measure_throughput,
    measure_uploads,
    submit_all,
    wait_all,
)
from earmark.bench._service_report import ServiceReport
from earmark.bench._service_server import serving
from earmark.bench._speed import CLIP_S
from earmark.bench._worker import own_worker
from earmark.errors import InvalidOption
from earmark.models import ModelStore
from earmark.settings import Settings

__all__ = ["MEASURES", "bench_service"]

MEASURES = ("overhead", "jobs", "upload", "latency")
"""What can be measured."""

_STEP_S = 7.3  # from one clip's start to the next one's: no divisor of a short recording
_WARM_UPS = 8
_SPARE_BYTES = 1 << 20  # of a form, around the recording


def bench_service(
    file: Path | None = None,
    *,
    settings: Settings,
    hours: float | None = None,
    passes: int = 3,
    jobs: int = 60,
    upload_bytes: int = 1 << 30,
    requests: int = 1000,
    only: Collection[str] = MEASURES,
    on_step: OnStep | None = None,
) -> ServiceReport:
    """Start a server on temporary data, measure it, and stop it.

    ``file`` is the recording that the service and a `Diarizer` are compared on, by default the
    sample recording, repeated to an hour; with ``hours`` it is repeated or cut to that. Clips of
    30 s are cut out of it for ``jobs`` jobs at once. Both sides have their models loaded and are
    warmed up on clips before anything is measured. Needs temporary disk: 115 MB per hour for the
    recording, three times ``upload_bytes``.

    Raises:
        InvalidOption: ``only`` names something else than `MEASURES`, a number is below 1.
        ServerUnreachable: the server does not start, or is gone.
        ApiError: it refuses a request, or a job fails.
        PeerFailed: the diarizer beside it fails.
        AudioError: the file cannot be read.
    """
    _check(only, passes=passes, jobs=jobs, upload_bytes=upload_bytes, requests=requests)
    say = on_step or silence
    if file is None:
        hours = hours or 1.0
    source = file or ModelStore(settings).path("sample-recording")
    with tempfile.TemporaryDirectory(prefix="earmark-") as temporary:
        folder = Path(temporary)
        recording = source
        if hours is not None and "overhead" in only:
            say(f"making a recording of {hours:g} h")
            recording = folder / "long.wav"
            concatenate([source], hours=hours, target=recording)
        clips = _cut(source, folder, jobs)
        say("starting the server")
        with (
            serving(settings, folder, max_upload_bytes=_most(upload_bytes, recording)) as served,
            own_worker(settings, fast=False) as diarizer,
        ):
            say("warming up")
            models = diarizer.run(clips[0])["models"]
            with served.client() as client:
                wait_all(submit_all(client, clips[:_WARM_UPS], name="warm-up"))
            return ServiceReport(
                file=source.name if hours is None else f"{source.name}, {hours:g} h",
                machine=this_machine(settings),
                models=models,
                overhead=measure_overhead(served, diarizer, recording, passes=passes, on_step=say)
                if "overhead" in only
                else None,
                throughput=measure_throughput(served, diarizer, clips, passes=passes, on_step=say)
                if "jobs" in only
                else None,
                uploads=measure_uploads(served, folder, size=upload_bytes, on_step=say)
                if "upload" in only
                else (),
                latencies=measure_latency(served, clips, requests=requests, on_step=say)
                if "latency" in only
                else (),
            )


def _check(only: Collection[str], **numbers: int) -> None:
    if unknown := sorted(set(only) - set(MEASURES)):
        raise InvalidOption(f"There is no {unknown[0]!r} to measure: take {', '.join(MEASURES)}.")
    for name, number in numbers.items():
        if number < 1:
            raise InvalidOption(f"{name} has to be 1 or more, not {number}.")


def _most(upload_bytes: int, recording: Path) -> int:
    """The largest upload that the server has to take."""
    return max(upload_bytes, recording.stat().st_size) + _SPARE_BYTES


def _cut(source: Path, folder: Path, count: int) -> list[Path]:
    """Clips of `CLIP_S` seconds (16 kHz mono WAV), each from another place of the recording."""
    whole = folder / "clips.wav"
    concatenate([source], hours=(CLIP_S + (count - 1) * _STEP_S) / 3600, target=whole)
    clips = []
    with wave.open(str(whole), "rb") as wav:
        rate = wav.getframerate()
        for number in range(count):
            wav.setpos(round(number * _STEP_S * rate))
            samples = wav.readframes(round(CLIP_S * rate))
            clip = folder / f"clip-{number:04}.wav"
            with wave.open(str(clip), "wb") as cut:
                cut.setparams(wav.getparams())
                cut.writeframes(samples)
            clips.append(clip)
    whole.unlink()
    return clips

"""Phonexia's calls that a job answers: long recordings, and what becomes of those given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from phonexia.grpc.common.core_pb2 import Audio, RawAudioConfig, TimeRange
from phonexia.grpc.technologies.voice_activity_detection.v1.voice_activity_detection_pb2 import (
    DetectRequest,
    DetectResponse,
)
from phonexia.grpc.technologies.voice_activity_detection.v1.voice_activity_detection_pb2_grpc import (  # noqa: E501
    VoiceActivityDetectionStub,
)

from certificates import Authority
from earmark.dialects import phonexia
from earmark.diarization import ChannelSpeech, SpeechActivity
from earmark.errors import Kind
from earmark.server._dialects import Dialect
from earmark.server._grpc import GrpcServer
from earmark.server._metrics import Metrics
from earmark.server._tls import Tls
from earmark.service import Job, JobError, JobKind, Priority, Queue, Service
from earmark.settings import Settings
from earmark.voiceprints import Voiceprint
from phonexia_clients import Clients
from waiting import until

Call: TypeAlias = "grpc.aio.StreamUnaryCall[DetectRequest, DetectResponse]"

SECONDS = 601  # more than is answered at once


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service.open(Settings(data_dir=tmp_path, anonymous_tenant="calls", reserve_bytes=0))
    yield service
    service.close()


def run(
    service: Service,
    program: Callable[[str], Awaitable[None]],
    tls: Tls | None = None,
) -> None:
    """Run a program that is given the address of a server without a worker."""

    async def main() -> None:
        dialect = Dialect(name=phonexia.NAME, mounts=phonexia.mounts, grpc=phonexia.grpc_services)
        server = GrpcServer(service, [dialect], Metrics(service))
        address = await server.start("127.0.0.1", 0, tls)
        try:
            await program(address)
        finally:
            await server.stop(0.0)

    asyncio.run(main())


async def long_recording() -> AsyncIterator[DetectRequest]:
    """Ten minutes of few samples, in two messages."""
    config = RawAudioConfig(encoding=RawAudioConfig.MULAW, sample_rate_hertz=100, channels=1)
    part = TimeRange(start=Duration(seconds=2, nanos=500_000_000))
    half = bytes(100 * SECONDS // 2)
    yield DetectRequest(audio=Audio(content=half, raw_audio_config=config, time_range=part))
    yield DetectRequest(audio=Audio(content=half))


def jobs(service: Service) -> tuple[Job, ...]:
    caller = service.keys.anonymous()
    assert caller is not None
    return service.jobs.list(caller).items


def calling(service: Service, program: Callable[[Call, Job, Queue], Awaitable[None]]) -> None:
    """Run a program that is given a call and its job, which a worker has begun."""

    async def main(address: str) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            call = VoiceActivityDetectionStub(channel).Detect(long_recording())
            await asyncio.to_thread(until, lambda: jobs(service), what="the job")
            queue = Queue(service.store)
            job = queue.claim("a worker")
            assert job is not None
            assert queue.take(job.id, "a worker") is not None
            await program(call, job, queue)
            await asyncio.to_thread(until, lambda: not jobs(service), what="no job")
            await asyncio.to_thread(until, lambda: not recordings(service), what="no recording")

    run(service, main)


def recordings(service: Service) -> list[Path]:
    media = service.settings.data_dir / "blobs/media"
    return [each for each in media.rglob("*") if each.is_file()]


async def refusal(call: Call) -> tuple[grpc.StatusCode, str | None]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code(), raised.value.details()


def test_a_long_recording_is_left_to_a_worker(service: Service) -> None:
    found = SpeechActivity(
        channels=(ChannelSpeech(channel=None, segments=((3.0, 4.5), (600.25, 601.0))),),
        duration=598.5,
        start_s=2.5,
    )

    async def program(call: Call, job: Job, queue: Queue) -> None:
        assert (job.kind, job.priority) == (JobKind.VOICE_ACTIVITY, Priority.HIGH)
        assert (job.options.start, job.options.end, job.options.channels) == (2.5, None, "mix")
        (recording,) = recordings(service)
        assert recording.stat().st_size == 44 + 100 * SECONDS
        service.store.blobs.put("results/found", found.to_json().encode())
        queue.succeed(job.id, "a worker", result_blob="results/found", audio_s=598.5, timings={})
        told = await call
        assert isinstance(told, DetectResponse)
        assert told.speech_length == Duration(seconds=2, nanos=250_000_000)
        assert told.processed_audio_length == Duration(seconds=598, nanos=500_000_000)
        assert [each.start_time.ToMilliseconds() for each in told.segments] == [3000, 600_250]
        assert [each.end_time.ToMilliseconds() for each in told.segments] == [4500, 601_000]

    calling(service, program)


def test_why_the_job_failed_is_told(service: Service) -> None:
    async def program(call: Call, job: Job, queue: Queue) -> None:
        error = JobError(kind=Kind.INVALID, code="audio.damaged", message="It is damaged.")
        queue.fail(job.id, "a worker", error)
        assert await refusal(call) == (grpc.StatusCode.INVALID_ARGUMENT, "It is damaged.")
        told: Any = await call.trailing_metadata()
        assert dict(told) == {"earmark-code": "audio.damaged"}

    calling(service, program)


def test_a_call_that_is_given_up_ends_its_job(service: Service) -> None:
    async def program(call: Call, job: Job, queue: Queue) -> None:
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    calling(service, program)


def test_a_server_that_stops_says_so(service: Service) -> None:
    async def program(call: Call, job: Job, queue: Queue) -> None:
        service.drain()
        code, details = await refusal(call)
        assert code is grpc.StatusCode.UNAVAILABLE
        assert details == "The analysis was ended before it was done: call again in a moment."

    calling(service, program)


def test_the_clients_use_tls(service: Service, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pem = authority.issue("localhost")
    file = tmp_path / "a.bin"
    vector = np.random.default_rng(0).normal(size=448).astype(np.float32)
    file.write_bytes(Voiceprint(vector=vector, model="earmark-1", net_speech_s=9.0).to_bytes())

    async def program(address: str) -> None:
        port = address.rpartition(":")[2]
        clients = Clients(f"localhost:{port}", authority=authority.path)
        compare = ("compare", "--files", file, file)
        told = await asyncio.to_thread(clients.told, "voiceprint_comparison", *compare)
        assert told["scores"]["values"][0] > 3

    run(service, program, Tls(cert=pem, key=pem))

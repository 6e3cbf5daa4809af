"""The Python client against a running server, through bad connections and restarts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import earmark
from bad_line import BadLine
from earmark.client import Job
from earmark.diarization import Diarization
from earmark.errors import ApiError, ServerUnreachable, WaitTimeout
from server import Server, running, started
from waiting import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {"EARMARK_MODELS_DIR": str(models_dir)}
    with running(tmp_path_factory.mktemp("client"), settings=settings) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[earmark.Client]:
    with earmark.Client(server.url, server.key) as client:
        yield client


def test_a_recording_is_diarized(client: earmark.Client, sample_wav: Path) -> None:
    uploads: list[tuple[int, int]] = []
    progress: list[tuple[str, int]] = []
    job = client.diarize(
        sample_wav,
        max_speakers=4,
        exclusive=True,
        on_upload=lambda sent, total: uploads.append((sent, total)),
    )
    size = sample_wav.stat().st_size
    assert uploads == [(0, size), (size, size)]
    assert job.wait(on_progress=lambda *stand: progress.append(stand), timeout_s=120) is job
    assert (job.state, job.progress, job.error) == ("succeeded", 100, None)
    assert progress[-1] == ("done", 100)
    assert [percent for _, percent in progress] == sorted(percent for _, percent in progress)
    result = Diarization.from_json(job.export("json"))
    assert len(result.speakers) == 2
    assert job.result()["turns"][0]["start"] == result.turns[0].start
    assert job.export("rttm") == result.to_rttm(exclusive=True)
    assert job.export("rttm", exclusive=False) == result.to_rttm()
    assert client.job(job.id).document == job.document


@pytest.mark.parametrize("kind", ["bytes", "file"])
def test_a_large_recording_goes_in_parts(kind: str, server: Server, sample_wav: Path) -> None:
    size = sample_wav.stat().st_size
    uploads: list[int] = []
    with (
        earmark.Client(server.url, server.key, part_size=200_000) as client,
        sample_wav.open("rb") as file,
    ):
        job = client.voice_activity(
            sample_wav.read_bytes() if kind == "bytes" else file,
            on_upload=lambda sent, _: uploads.append(sent),
            name="call",
            channels=[0],
        )
        assert uploads == [*range(0, size, 200_000), size]
        assert job.wait(timeout_s=120).state == "succeeded"
        assert job.document["options"] == {"channels": [0]}
        media = job.document["media"]
        assert len(list(server.data_dir.glob(f"blobs/media/*/{media}*"))) == 1
        job.delete()
        assert not list(server.data_dir.glob(f"blobs/media/*/{media}*"))
        with pytest.raises(ApiError) as gone:
            job.refresh()
    assert (gone.value.status, gone.value.code) == (404, "resource.not_found")


def test_an_upload_survives_a_bad_line(server: Server, sample_wav: Path) -> None:
    with (
        BadLine(server, cuts=[0, 50_000, 300_000, 100_000, 1_000]) as line,
        earmark.Client(line.url, server.key, part_size=200_000) as client,
    ):
        job = client.diarize(sample_wav).wait(timeout_s=120)
        assert line.connections > 5
        assert not line.cuts
    assert job.state == "succeeded"


def test_a_form_that_is_sent_again_makes_one_job(server: Server, sample_wav: Path) -> None:
    size = sample_wav.stat().st_size
    with earmark.Client(server.url, server.key) as client:
        before = len(list(client.jobs()))
    with (
        BadLine(server, cuts=[500_000, size - 10]) as line,
        earmark.Client(line.url, server.key) as client,
    ):
        client.diarize(sample_wav)
        assert line.connections == 3
        assert len(list(client.jobs())) == before + 1


def test_a_key_of_ones_own_makes_one_job(client: earmark.Client) -> None:
    first = client.diarize(b"some bytes", idempotency_key="mine")
    assert client.diarize(b"some bytes", idempotency_key="mine").id == first.id
    with pytest.raises(ApiError, match="'mine'") as refused:
        client.diarize(b"other bytes", idempotency_key="mine")
    assert (refused.value.status, refused.value.code) == (409, "idempotency.conflict")


def test_one_upload_serves_several_jobs(client: earmark.Client, sample_wav: Path) -> None:
    media = client.upload(sample_wav)
    assert media["size"] == sample_wav.stat().st_size
    jobs = [client.diarize(media, end=5), client.voice_activity(media, end=5)]
    assert [job.wait(timeout_s=120).state for job in jobs] == ["succeeded"] * 2


def test_the_servers_own_sentence_is_raised(client: earmark.Client) -> None:
    with pytest.raises(ApiError, match="speakers=0 cannot be used") as refused:
        client.diarize("https://example.com/a.wav", speakers=0)
    error = refused.value
    assert (error.status, error.code) == (422, "input.option")
    assert error.request_id
    with pytest.raises(ApiError, match=r"127\.0\.0\.1"):
        client.diarize("https://127.0.0.1/a.wav")
    job = client.diarize(b"not a recording" * 99).wait(timeout_s=60)
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.code == "audio.unsupported"
    with pytest.raises(ApiError) as failed:
        job.result()
    assert str(failed.value) == str(job.error)


def test_a_wrong_key_is_refused_at_once(server: Server) -> None:
    with (
        earmark.Client(server.url, "em_wrong") as client,
        pytest.raises(ApiError) as refused,
    ):
        client.limits()
    assert refused.value.status == 401


def test_no_server_is_waited_for_with_patience() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        earmark.Client(f"http://127.0.0.1:{port}", "em_x", patience_s=0.6) as client,
        pytest.raises(ServerUnreachable, match=str(port)),
    ):
        client.limits()


def test_lists_are_followed_to_their_end(client: earmark.Client) -> None:
    made = {client.diarize(b"x%d" % i).id for i in range(3)}
    jobs = list(client.jobs(kinds=["diarize"]))
    assert made <= {job.id for job in jobs}
    assert all(isinstance(job, Job) for job in jobs)
    assert not list(client.jobs(states=["expired"]))


def test_waiting_outlives_a_restart_of_the_server(
    tmp_path: Path, models_dir: Path, sample_wav: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    settings = {"EARMARK_MODELS_DIR": str(models_dir), "EARMARK_PORT": port}
    with started(tmp_path, "--no-worker", settings=settings) as first:
        first.wait_ready()
        with earmark.Client(first.url, first.key) as client:
            job = client.diarize(sample_wav)
            with pytest.raises(WaitTimeout, match="queued"):
                job.wait(timeout_s=0.5)
            waiting = threading.Thread(target=lambda: job.wait(timeout_s=120))
            waiting.start()
            until(lambda: "/events" in first.log, what="the client to listen")
            first.kill()
            with running(tmp_path, settings=settings, key=first.key):
                waiting.join(120)
                assert not waiting.is_alive()
                assert job.state == "succeeded"


def test_waiting_asks_where_events_do_not_come_through(server: Server, sample_wav: Path) -> None:
    class Deaf(BadLine):
        """Lets no stream of events through."""

        deafened = 0

        def _pass_on(self, source: socket.socket, sink: socket.socket, left: int) -> None:
            with contextlib.suppress(OSError):
                while left > 0 and (data := source.recv(65536)):
                    if b"/events" in data.split(b"\r\n")[0]:
                        self.deafened += 1
                        break
                    sink.sendall(data)
            super()._pass_on(source, sink, 0)

    with Deaf(server, cuts=[]) as line, earmark.Client(line.url, server.key) as client:
        assert client.diarize(sample_wav).wait(timeout_s=60).state == "succeeded"
    assert line.deafened > 0


def test_the_same_with_asyncio(server: Server, sample_wav: Path) -> None:
    async def talk() -> None:
        async with earmark.AsyncClient(server.url, server.key, part_size=300_000) as client:
            assert (await client.limits())["schema"] == "earmark.limits/1"
            media = await client.upload(sample_wav)
            jobs = await asyncio.gather(
                client.diarize(sample_wav, end=6),
                client.voice_activity(media, end=6),
                client.diarize(b"no recording"),
            )
            progress: list[tuple[str, int]] = []
            await asyncio.gather(
                *(
                    job.wait(on_progress=lambda *s: progress.append(s), timeout_s=120)
                    for job in jobs
                )
            )
            assert [job.state for job in jobs] == ["succeeded", "succeeded", "failed"]
            assert ("done", 100) in progress
            first = jobs[0]
            assert Diarization.from_json(await first.export("json")).duration == 6
            assert (await first.result())["schema"] == "earmark.diarization/1"
            assert {job.id for job in jobs} <= {job.id async for job in client.jobs()}
            assert (await (await client.job(first.id)).refresh()).document == first.document
            with pytest.raises(ApiError, match="nothing to cancel"):
                await first.cancel()
            queued = await client.diarize(sample_wav)
            with pytest.raises(WaitTimeout):
                await queued.wait(timeout_s=0)
            await first.delete()
            with pytest.raises(ApiError):
                await first.refresh()

    asyncio.run(talk())

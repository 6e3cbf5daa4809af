"""The life of a real server: how it starts, what it says, how it ends."""

from __future__ import annotations

import re
import signal
import socket
import threading
import wave
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from certificates import Authority
from earmark.service import generate_token
from postgres import PASSWORD, Postgres
from server import Server, running, started
from waiting import until

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def _failing(data_dir: Path, *arguments: str, **settings: str | None) -> tuple[int, str]:
    """Exit code and last line of a server that cannot start."""
    with started(data_dir, *arguments, settings=settings) as server:
        code = server.process.wait(60)
        assert "Traceback" not in server.log
        assert "listens on" not in server.said
        return code, server.log.splitlines()[-1]


def test_a_server_tells_where_it_listens_and_answers_there(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as server:
        assert httpx.get(f"{server.url}/healthz").json() == {"status": "alive"}
        assert httpx.get(f"{server.url}/docs").status_code == 200
        api = httpx.get(f"{server.url}/api/v1/openapi.json").json()
        assert api["servers"] == [{"url": "/api/v1"}]
        checks = httpx.get(f"{server.url}/readyz").json()["checks"]
        assert checks == {"database": "ok", "blobs": "ok"}
        assert server.stop() == 0
        assert server.said.count("\n") == 1


def test_grpc_has_health_and_reflection_and_is_timed(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as server, grpc.insecure_channel(server.grpc) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest()).status == _SERVING
        with pytest.raises(grpc.RpcError) as raised:
            health.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/no.such.Service/Method", None, None)(b"")
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
        assert "grpc.health.v1.Health" in services

        metrics = httpx.get(f"{server.url}/metrics").text
        check = (
            'earmark_grpc_request_seconds_count{code="%s",method="/grpc.health.v1.Health/Check"} 1'
        )
        assert check % "OK" in metrics
        assert check % "NOT_FOUND" in metrics
        assert "no.such" not in metrics

        told = [each.status for each in _watched(health, server)]
        assert told == [_SERVING, _NOT_SERVING]


def _watched(
    health: health_pb2_grpc.HealthStub, server: Server
) -> list[health_pb2.HealthCheckResponse]:
    """What the health service tells until the server, asked to stop, ends the stream."""
    told = []
    try:
        for each in health.Watch(health_pb2.HealthCheckRequest()):
            told.append(each)
            if len(told) == 1:
                server.process.send_signal(signal.SIGTERM)
    except grpc.RpcError:
        return told
    return told


def test_the_first_start_prints_a_key_once(tmp_path: Path) -> None:
    unset = {"EARMARK_BOOTSTRAP_KEY": None}
    with running(tmp_path, "--no-worker", settings=unset) as server:
        (token,) = re.findall(r"em_\w+", server.said)
        assert token not in server.log
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{server.url}/api/v1/limits", headers=headers).status_code == 200
        assert httpx.get(f"{server.url}/api/v1/limits").status_code == 401
    with running(tmp_path, "--no-worker", settings=unset) as server:
        assert "em_" not in server.said
        assert httpx.get(f"{server.url}/api/v1/limits", headers=headers).status_code == 200


def test_a_given_first_key_is_not_printed(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as server:
        assert "em_" not in server.said + server.log
        with server.client() as client:
            assert client.get("/api/v1/limits").status_code == 200


def test_tls_is_for_http_and_grpc(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pem = str(authority.issue("127.0.0.1", "localhost"))
    with started(tmp_path / "data", "--no-worker", "--tls-cert", pem, "--tls-key", pem) as server:
        until(lambda: "listens on" in server.said, what="a port")
        assert server.url.startswith("https://")
        answer = httpx.get(f"{server.url}/healthz", verify=authority.trusting())
        assert answer.json() == {"status": "alive"}
        credentials = grpc.ssl_channel_credentials(authority.path.read_bytes())
        with grpc.secure_channel(server.grpc, credentials) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest()).status == _SERVING
        assert server.stop() == 0


def test_behind_a_proxy_with_a_prefix(tmp_path: Path, sample_wav: Path) -> None:
    settings = {"EARMARK_ROOT_PATH": "/voice"}
    with running(tmp_path, "--no-worker", settings=settings) as server:
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "example.org"}
        with server.client() as client, sample_wav.open("rb") as file:
            client.headers.update(forwarded)
            made = client.post("/api/v1/diarizations", files={"file": ("a.wav", file)})
        assert made.json()["links"]["self"].startswith("https://example.org/voice/api/v1/jobs/")
        until(
            lambda: '"route":"/api/v1/diarizations"' in server.log.replace('": "', '":"'),
            what="the request's line in the log",
        )


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = _failing(tmp_path, "--port", port)
        assert code == 1
        assert said == (
            f"Error: Nothing can listen on 127.0.0.1 port {port} (Address already in use): "
            "stop what uses it or take another."
        )
        code, said = _failing(tmp_path, "--grpc-port", port)
        assert code == 1
        assert said.startswith(f"Error: Nothing can listen on 127.0.0.1 port {port}")


def test_a_host_that_is_not_here_is_told(tmp_path: Path) -> None:
    code, said = _failing(tmp_path, "--host", "192.0.2.1")
    assert code == 1
    assert said.startswith("Error: Nothing can listen on 192.0.2.1 port 0")
    code, said = _failing(tmp_path, "--host", "no host")
    assert code == 2
    assert said.startswith("Error: 'no host' is no address of this machine")


def test_a_data_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = _failing(tmp_path / "out", EARMARK_DATA_DIR=str(tmp_path / "file" / "data"))
    assert code == 1
    assert said.startswith(f"Error: The data folder {tmp_path / 'file' / 'data'} cannot be made")
    assert "EARMARK_DATA_DIR" in said


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("postgresql://nobody@127.0.0.1:1/none?connect_timeout=5", 1, "does not answer"),
        ("mysql://localhost/earmark", 2, "EARMARK_DATABASE_URL"),
        ("nonsense", 2, "EARMARK_DATABASE_URL"),
    ],
)
def test_a_wrong_database_is_told(tmp_path: Path, url: str, code: int, said: str) -> None:
    ended, line = _failing(tmp_path, EARMARK_DATABASE_URL=url)
    assert ended == code
    assert line.startswith("Error: ")
    assert said in line


def test_missing_models_are_told(tmp_path: Path) -> None:
    code, said = _failing(tmp_path / "data", EARMARK_MODELS_DIR=str(tmp_path / "models"))
    assert code == 3
    assert "EARMARK_OFFLINE" in said


def test_wrong_settings_are_told(tmp_path: Path) -> None:
    code, said = _failing(tmp_path, EARMARK_BOOTSTRAP_KEY="hunter2")
    assert (code, "EARMARK_BOOTSTRAP_KEY" in said, "hunter2" in said) == (2, True, False)
    code, said = _failing(tmp_path, "--tls-cert", str(tmp_path / "cert.pem"))
    assert (code, "give both" in said) == (2, True)
    code, said = _failing(tmp_path, "--tls-cert", __file__, "--tls-key", __file__)
    assert (code, "in PEM" in said) == (2, True)
    code, said = _failing(tmp_path, EARMARK_RATE_LIMIT_STORAGE="abacus://")
    assert (code, "EARMARK_RATE_LIMIT_STORAGE" in said) == (2, True)


def test_a_lost_database_is_told_and_found_again(tmp_path: Path, postgres: Postgres) -> None:
    with (
        postgres.fresh() as url,
        running(tmp_path, settings={"EARMARK_DATABASE_URL": url}) as server,
    ):

        def answer() -> tuple[int, str]:
            ready = httpx.get(f"{server.url}/readyz", timeout=30)
            return ready.status_code, ready.json()["checks"]["database"]

        assert answer() == (200, "ok")
        postgres.stop()
        try:
            until(lambda: answer() == (503, "storage.unavailable"), what="an unready server")
            assert httpx.get(f"{server.url}/healthz").status_code == 200
            assert httpx.get(f"{server.url}/metrics").status_code == 200
        finally:
            postgres.start()
        until(lambda: answer() == (200, "ok"), what="a ready server")
        assert server.stop() == 0
        assert PASSWORD not in server.log
        assert "postgres:" not in server.log  # as the address would begin


@pytest.fixture(scope="module")
def long_wav(sample_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, twenty times over: more than a second of work."""
    path = tmp_path_factory.mktemp("audio") / "long.wav"
    with wave.open(str(sample_wav)) as sample, wave.open(str(path), "wb") as long:
        long.setparams(sample.getparams())
        sound = sample.readframes(sample.getnframes())
        for _ in range(20):
            long.writeframes(sound)
    return path


def _submit(server: Server, recording: Path) -> str:
    with server.client() as client, recording.open("rb") as file:
        answer = client.post("/api/v1/diarizations", files={"file": ("secret-name.wav", file)})
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["id"]
        return job_id


def _state(server: Server, job_id: str) -> str:
    with server.client() as client:
        state: str = client.get(f"/api/v1/jobs/{job_id}").json()["state"]
        return state


def test_sigterm_lets_a_running_job_end(tmp_path: Path, sample_wav: Path) -> None:
    key = generate_token()
    with running(tmp_path, key=key) as server:
        job_id = _submit(server, sample_wav)
        until(lambda: _state(server, job_id) == "running", what="a running job")
        assert server.stop() == 0
    with running(tmp_path, "--no-worker", key=key) as again:
        assert _state(again, job_id) == "succeeded"


def test_while_it_drains_a_server_answers_and_takes_no_job(tmp_path: Path, long_wav: Path) -> None:
    with running(tmp_path, settings={"EARMARK_SHUTDOWN_GRACE_S": "600"}) as server:
        job_id = _submit(server, long_wav)
        until(lambda: _state(server, job_id) == "running", what="a running job")
        events: list[str] = []
        listening = threading.Thread(target=_listen, args=(server, job_id, events))
        listening.start()
        until(lambda: events, what="an event")
        server.process.send_signal(signal.SIGTERM)
        until(lambda: '"draining"' in server.log, what="the drain")
        with server.client() as client:
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (503, "draining")
            assert client.get(f"/api/v1/jobs/{job_id}").json()["state"] == "running"
            with long_wav.open("rb") as file:
                refused = client.post("/api/v1/diarizations", files={"file": ("a.wav", file)})
            assert (refused.status_code, refused.json()["code"]) == (503, "service.draining")
        listening.join(30)
        assert not listening.is_alive()
        assert '"draining"' in events[-1]
        assert server.process.poll() is None
        server.kill()


def _listen(server: Server, job_id: str, events: list[str]) -> None:
    with server.client() as client, client.stream("GET", f"/api/v1/jobs/{job_id}/events") as lines:
        for line in filter(None, lines.iter_lines()):
            events.append(line)


def test_a_job_that_does_not_end_in_time_is_handed_back(tmp_path: Path, long_wav: Path) -> None:
    key = generate_token()
    with running(tmp_path, key=key, settings={"EARMARK_SHUTDOWN_GRACE_S": "1"}) as server:
        job_id = _submit(server, long_wav)
        until(lambda: _state(server, job_id) == "running", what="a running job")
        assert server.stop(within_s=30) == 0
    with running(tmp_path, "--no-worker", key=key) as again:
        assert _state(again, job_id) == "queued"


def test_sigterm_right_after_the_start_is_heard(tmp_path: Path) -> None:
    with started(tmp_path) as server:
        until(lambda: "listens on" in server.said, what="a port")
        assert server.stop() == 0
        assert "Traceback" not in server.log
        assert '"stopped"' in server.log


def test_a_second_signal_ends_it_at_once(tmp_path: Path, long_wav: Path) -> None:
    settings = {"EARMARK_SHUTDOWN_GRACE_S": "600"}
    with running(tmp_path, settings=settings) as server:
        job_id = _submit(server, long_wav)
        until(lambda: _state(server, job_id) == "running", what="a running job")
        server.process.send_signal(signal.SIGINT)
        until(lambda: '"draining"' in server.log, what="the drain")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(10) == 128 + signal.SIGINT
        assert '"stopped"' not in server.log


def test_a_worker_does_what_a_server_without_one_took(tmp_path: Path, sample_wav: Path) -> None:
    with running(tmp_path, "--no-worker") as server:
        job_id = _submit(server, sample_wav)
        assert _state(server, job_id) == "queued"
        with started(tmp_path, "--metrics-port", "0", command="worker", key=server.key) as worker:
            until(lambda: _state(server, job_id) == "succeeded", what="the job")
            ready = httpx.get(f"{worker.url}/readyz")
            assert ready.json()["checks"] == {"database": "ok", "blobs": "ok", "worker": "ok"}
            assert httpx.get(f"{worker.url}/api/v1/limits").status_code == 404
            metrics = httpx.get(f"{worker.url}/metrics").text
            for series in (
                'earmark_jobs{kind="diarize",state="succeeded"} 1.0',
                'earmark_jobs_finished_total{kind="diarize",state="succeeded"} 1.0',
                'earmark_job_wait_seconds_count{kind="diarize"} 1.0',
                'earmark_job_stage_seconds_count{kind="diarize",stage="analysing"} 1.0',
                'earmark_job_real_time_factor_count{kind="diarize"} 1.0',
            ):
                assert series in metrics
            assert worker.stop() == 0


def test_a_receiver_that_hangs_does_not_hold_the_server_up(
    tmp_path: Path, sample_wav: Path
) -> None:
    settings = {
        "EARMARK_SHUTDOWN_GRACE_S": "1",
        "EARMARK_WEBHOOK_TIMEOUT_S": "600",
        "EARMARK_ALLOW_HTTP": "1",
        "EARMARK_ALLOW_ADDRESSES": "127.0.0.1",
    }
    with (
        socket.create_server(("127.0.0.1", 0)) as receiver,
        running(tmp_path, settings=settings) as server,
    ):
        url = f"http://127.0.0.1:{receiver.getsockname()[1]}/"
        with server.client() as client, sample_wav.open("rb") as file:
            form = {"webhook": url}
            made = client.post("/api/v1/diarizations", files={"file": file}, data=form)
            assert made.status_code == 202, made.text
        receiver.settimeout(60)
        connection, _ = receiver.accept()  # and never a word
        with connection:
            assert connection.recv(1 << 16)
            assert server.stop(within_s=30) == 0
            assert "ended before all was done" in server.log

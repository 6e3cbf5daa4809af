"""What a run leaves in the log: enough to follow it, and nothing of what was said in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx

from earmark.service import Scope, generate_token
from server import running
from waiting import until

_NAME = "jane-doe-cardiology"


def test_a_run_leaves_nothing_personal_in_the_log(tmp_path: Path, sample_wav: Path) -> None:
    stranger = generate_token()
    settings = {"EARMARK_LOG_LEVEL": "debug", "EARMARK_ALLOW_ADDRESSES": "127.0.0.1"}
    with running(tmp_path, settings=settings) as server:
        key = server.new_key("clinic", [Scope.JOBS])
        with server.client(key) as client:
            client.headers["X-Correlation-ID"] = "night-run-7"
            with sample_wav.open("rb") as file:
                made = client.post(
                    f"/api/v1/diarizations?note={_NAME}", files={"file": (f"{_NAME}.wav", file)}
                )
            job = made.json()
            until(lambda: client.get(job["links"]["self"]).json()["state"] == "succeeded")
            result = client.get(f"/api/v1/jobs/{job['id']}/result", params={"format": "rttm"})
            assert "SPEAKER_00" in result.text
            url = f"https://127.0.0.1:1/{_NAME}.wav?token={_NAME}"
            far = client.post("/api/v1/diarizations", json={"url": url}).json()
            until(lambda: client.get(far["links"]["self"]).json()["state"] == "failed")
            client.put(f"/api/v1/uploads/{_NAME}/parts/1", content=_NAME.encode())
            client.post("/api/v1/diarizations", content=_NAME.encode())
            client.post("/api/v1/diarizations", json={"url": f"ftp://{_NAME}"})
            client.get(f"/{_NAME}")
            client.get(f"/api/v1/{_NAME}", headers={"X-Request-ID": f"{_NAME} {_NAME}"})
            client.post("/v1/media/input", json={"url": f"media://{_NAME}"})
            client.post("/v1/diarize", json={"url": f"media://{_NAME}"})
        httpx.get(f"{server.url}/api/v1/jobs", headers={"Authorization": f"Bearer {stranger}"})
        assert server.stop() == 0

    for hidden in (_NAME, key, server.key, stranger, "em_", "SPEAKER_00", ".wav", "token="):
        assert hidden not in server.log, hidden
    assert not re.search(r"-?0\.\d+, -?0\.\d+, -?0\.\d+", server.log)  # a voiceprint
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines)

    of_the_job = [line for line in lines if f"The job {job['id']} " in line["event"]]
    assert [line["event"].split()[3:5] for line in of_the_job] == [
        ["(diarize)", "is"],
        ["has", "succeeded,"],
    ]
    assert of_the_job[0]["correlation_id"] == "night-run-7"
    assert any(f"The job {far['id']} has failed (fetch.failed)" in line["event"] for line in lines)

    accesses = [line for line in lines if line["logger"] == "earmark.access"]
    (submitted,) = [
        line
        for line in accesses
        if line["route"] == "/api/v1/diarizations"
        and line["request_id"] == made.headers["x-request-id"]
    ]
    assert submitted["status"] == 202
    assert submitted["correlation_id"] == "night-run-7"
    assert submitted["tenant_id"]
    assert submitted["key_id"].startswith("EK")

"""A backup made while the server runs is an installation that goes on from there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from earmark import Diarization
from server import Server, running
from waiting import until


def _submit(server: Server, wav: Path, **fields: str) -> str:
    with server.client() as client, wav.open("rb") as file:
        answer = client.post("/api/v1/diarizations", files={"file": file}, data=fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _state(server: Server, job_id: str) -> str:
    with server.client() as client:
        return str(client.get(f"/api/v1/jobs/{job_id}").json()["state"])


def _finished(server: Server, job_id: str) -> Diarization:
    until(lambda: _state(server, job_id) not in ("queued", "running"), what=f"the job {job_id}")
    with server.client() as client:
        answer = client.get(f"/api/v1/jobs/{job_id}/result")
    assert answer.status_code == 200, answer.text
    return Diarization.from_json(answer.content)


def _back_up(data_dir: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "earmark", "backup", str(target)],
        env=os.environ | {"EARMARK_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_backup_is_restored_with_its_results_and_the_jobs_in_its_queue(
    tmp_path: Path, sample_wav: Path
) -> None:
    data, copy, restored = tmp_path / "data", tmp_path / "copy", tmp_path / "restored"
    with running(data) as server:
        done = _submit(server, sample_wav)
        result = _finished(server, done)
    with running(data, "--no-worker", key=server.key) as server:
        waiting = _submit(server, sample_wav, speakers="2")
        made = _back_up(data, copy)
        assert made.returncode == 0, made.stderr
        late = _submit(server, sample_wav)
    shutil.rmtree(data)

    shutil.copytree(copy, restored)
    with running(restored, key=server.key) as server:
        assert _finished(server, done) == result
        assert len(_finished(server, waiting).speakers) == 2
        with server.client() as client:
            assert client.get(f"/api/v1/jobs/{late}").status_code == 404


def test_a_backup_goes_into_a_new_folder_only(tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    nothing = _back_up(tmp_path / "nowhere", target)
    assert nothing.returncode == 1
    assert "no installation" in nothing.stderr
    with running(tmp_path / "data", "--no-worker"):
        (target / "file").touch()
        refused = _back_up(tmp_path / "data", target)
    assert refused.returncode == 1
    assert "not empty" in refused.stderr

"""DeepTone's jobs for files with programs like those of its users, against a running server."""

from __future__ import annotations

import contextlib
import io
import re
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from people import RATE, People, wav_of
from raw_server import RawServer, serve
from server import Server, running
from waiting import until

JOBS = "/file-processing/jobs"
PAGE = Path(__file__).parents[2] / "docs/deeptone.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_ALLOW_HTTP": "1",
        "EARMARK_ALLOW_ADDRESSES": "127.0.0.1",
    }
    with running(tmp_path_factory.mktemp("deeptone"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=server.url,
        headers={"X-API-KEY": server.new_key("ann")},
        timeout=60,
        trust_env=False,
    ) as client:
        yield client


@pytest.fixture(scope="module")
def stereo(people: People) -> bytes:
    """12.288 s: Ira beside Carlo and then Ira; 3 s of nothing on both sides in the end."""
    ira, carlo = (people.samples(name, 9, part=2) for name in ("ira", "carlo"))
    both = np.concatenate([carlo[: 5 * RATE], ira[: 4 * RATE]])
    sound = np.zeros((12_288 * RATE // 1000, 2), np.int16)
    sound[: 9 * RATE, 0], sound[: 9 * RATE, 1] = ira, both
    return wav_of(sound)


def over(http: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The job of a submission, once it is over."""
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    assert job["state"] == "new"

    def ended() -> bool:
        shown = http.get(f"{JOBS}/{job['id']}").json()
        assert (shown["id"], shown["config"]) == (job["id"], job["config"])
        assert shown["state"] in ("new", "running", "done", "error")
        job.update(shown)
        return job["state"] in ("done", "error")

    until(ended, within_s=120, what="the end of a job")
    return job


def channels(http: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    assert job["state"] == "done", job
    answer = http.get(f"{JOBS}/{job['id']}/results").json()
    found: dict[str, Any] = answer["result"]["channels"]
    return found


@pytest.fixture(scope="module")
def result(http: httpx.Client, stereo: bytes) -> dict[str, Any]:
    """What all models say of both channels, in all forms."""
    query = "models=speech,speech-rt,gender,speaker-map&output_period=1024&include_summary=true"
    query += "&include_transitions=true&include_raw_values=true&volume_threshold=0.003"
    sent = {"Content-Type": "audio/wav"}
    return channels(http, over(http, http.post(f"{JOBS}?{query}", content=stereo, headers=sent)))


def test_every_channel_has_a_time_line(result: dict[str, Any]) -> None:
    assert result.keys() == {"0", "1"}
    for each in result.values():
        assert each.keys() == {"time_series", "summary", "transitions"}
        assert [row["timestamp"] for row in each["time_series"]] == [1024 * i for i in range(12)]
        for row in each["time_series"]:
            assert row.keys() == {"timestamp", "results", "raw"}
            assert row["results"].keys() == {"speech", "speech-rt", "gender", "speaker-map"}


def said(channel: dict[str, Any], model: str, answer: str = "result") -> list[Any]:
    return [row["results"][model][answer] for row in channel["time_series"]]


def test_what_is_said_is_plausible(result: dict[str, Any]) -> None:
    ira, both = result["0"], result["1"]
    for each in (ira, both):
        for model in ("speech", "speech-rt"):
            assert said(each, model)[1:8] == ["speech"] * 7
            assert said(each, model)[10:] == ["silence"] * 2
        assert each["time_series"][11]["results"]["gender"] == {
            "result": "silence",
            "confidence": 1.0,
        }
    assert set(said(ira, "gender")[3:8]) == {"female"}
    assert set(said(both, "gender")[2:4]) <= {"male", "unknown"}
    assert said(ira, "speaker-map", "speaker_top")[1:8] == ["speaker_1"] * 7
    people = said(both, "speaker-map", "speaker_top")
    assert people[1:4] == ["speaker_1"] * 3
    assert people[6:8] == ["speaker_2"] * 2
    assert people[10:] == ["no_speech"] * 2
    counts = said(both, "speaker-map", "speaker_count")
    assert counts[1:4] + counts[10:] == [1] * 3 + [0] * 2


def test_the_summary_is_of_the_time_line(result: dict[str, Any]) -> None:
    for each in result.values():
        for model in ("speech", "speech-rt", "gender"):
            labels, shares = said(each, model), each["summary"][model]
            assert sum(shares.values()) == pytest.approx(1, abs=0.001)
            for name, share in shares.items():
                label = name.removesuffix("_fraction")
                assert share == pytest.approx(labels.count(label) / 12, abs=0.0001)
    assert result["0"]["summary"]["speaker-map"]["speaker_count"] == 1
    assert result["1"]["summary"]["speaker-map"]["speaker_count"] == 2


def test_transitions_follow_each_other(result: dict[str, Any]) -> None:
    for each in result.values():
        for model, stretches in each["transitions"].items():
            edges = [(row["timestamp_start"], row["timestamp_end"]) for row in stretches]
            assert [start for start, _ in edges] == [0, *(end for _, end in edges[:-1])]
            assert edges[-1][1] == 12_288
            labels = [row["result"] for row in stretches]
            assert all(a != b for a, b in pairwise(labels))
            assert all(("confidence" in row) == (model != "speaker-map") for row in stretches)


def test_raw_values(result: dict[str, Any]) -> None:
    raw = result["0"]["time_series"][4]["raw"]
    assert raw.keys() == {"speech", "speech-rt", "gender"}
    assert raw["gender"]["female"] > raw["gender"]["male"]


def _serving(body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_one_channel_of_a_file_elsewhere(http: httpx.Client, stereo: bytes) -> None:
    with serve(_serving(stereo)) as elsewhere:
        asked = {"url": elsewhere.url("/call.wav")}
        answer = http.post(f"{JOBS}?models=speech&output_period=4096&channel=1", json=asked)
        job = over(http, answer)
    found = channels(http, job)
    assert found.keys() == {"1"}
    assert found["1"].keys() == {"time_series"}
    assert len(found["1"]["time_series"]) == 3
    assert said(found["1"], "speech")[:2] == ["speech"] * 2


def _gone(connection: socket.socket, _: RawServer) -> None:
    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def test_what_is_no_recording(http: httpx.Client) -> None:
    wrong = http.post(f"{JOBS}?models=speech", content=b"These are only words. " * 500)
    missing = over(http, wrong)
    assert missing["state"] == "error"
    assert missing["error_description"]
    assert http.get(f"{JOBS}/{missing['id']}/results").status_code == 409
    with serve(_gone) as elsewhere:
        answer = http.post(f"{JOBS}?models=speech", json={"url": elsewhere.url("/gone.wav")})
        assert "404" in over(http, answer)["error_description"]


def test_the_program_of_the_page(
    server: Server, people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (program,) = (each for each in programs if "http.client" in each)
    (tmp_path / "call.wav").write_bytes(people.wav("carlo", 6))
    monkeypatch.chdir(tmp_path)
    program = program.replace("em_…", server.new_key("ann"))
    program = program.replace("127.0.0.1:8000", server.url.removeprefix("http://"))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(program, PAGE, "exec"), {})
    assert "'speaker_count': 1" in printed.getvalue()

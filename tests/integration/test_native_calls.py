"""Calls in the native API."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from chime import ChimeServer
from people import wav_of
from server import running

DOCS = Path(__file__).parents[2] / "docs/calls.md"
RAW = {"leg": "caller", "encoding": "mulaw", "sample_rate": "8000"}
SECOND = bytes(8000)


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChimeServer]:
    with running(tmp_path_factory.mktemp("calls"), "--no-worker") as server:
        yield ChimeServer(server, "acme")


@pytest.fixture(scope="module")
def http(acme: ChimeServer) -> Iterator[httpx.Client]:
    with acme.http() as http:
        yield http


@pytest.fixture(scope="module")
def connector(acme: ChimeServer) -> str:
    return f"/api/v1/calls/{acme.connector()}"


def refused(answer: httpx.Response, status: int, code: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    return str(answer.json()["detail"])


def test_a_call_from_its_opening_to_its_end(http: httpx.Client, connector: str) -> None:
    call = f"{connector}/night%20line%2B1"
    opened = http.put(call)
    assert opened.status_code == 201
    document = opened.json()
    assert document["schema"] == "earmark.call/1"
    assert (document["transaction"], document["state"]) == ("night line+1", "open")
    assert http.put(call).status_code == 200

    assert http.post(f"{call}/audio", params=RAW, content=SECOND).json()["pieces"] == 1
    both = wav_of(np.zeros((16_000, 2), np.int16))
    heard = http.post(f"{call}/audio", content=both).json()
    assert heard["sound_s"] == {"caller": 3.0, "callee": 2.0}
    assert http.get(call).json() == heard

    ended = http.post(f"{call}/end").json()
    assert (ended["state"], ended["sound_s"]) == ("ended", heard["sound_s"])
    assert http.post(f"{call}/end").json() == ended
    refused(http.post(f"{call}/audio", params=RAW, content=SECOND), 409, "resource.conflict")
    refused(http.put(call), 409, "resource.conflict")


def test_an_idempotency_key_makes_a_piece_count_once(http: httpx.Client, connector: str) -> None:
    call, key = f"{connector}/once", {"Idempotency-Key": "piece 1"}
    http.put(call)
    first = http.post(f"{call}/audio", params=RAW, content=SECOND, headers=key)
    again = http.post(f"{call}/audio", params=RAW, content=SECOND, headers=key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert again.json()["pieces"] == 1
    others = ((RAW, bytes(4000)), ({**RAW, "leg": "callee"}, SECOND))
    for query, content in others:
        answer = http.post(f"{call}/audio", params=query, content=content, headers=key)
        refused(answer, 409, "idempotency.conflict")


@pytest.mark.parametrize(
    ("query", "content", "code", "detail"),
    [
        ({"leg": "both"}, SECOND, "input.option", "leg"),
        ({**RAW, "encoding": "g729"}, SECOND, "input.option", "encoding"),
        ({**RAW, "sample_rate": "4000"}, SECOND, "input.option", "sample_rate"),
        ({"encoding": "mulaw", "leg": "caller"}, SECOND, "input.option", "sample_rate"),
        ({"sample_rate": "8000", "leg": "caller"}, SECOND, "input.option", "encoding"),
        ({**RAW, "encoding": "pcm_s16le"}, bytes(3), "input.invalid", "whole samples"),
        ({"leg": "caller"}, SECOND, "audio.unsupported", ""),
        (RAW, b"", "audio.empty", "no sound"),
    ],
)
def test_what_cannot_be_sound_is_refused(
    http: httpx.Client,
    connector: str,
    query: dict[str, str],
    content: bytes,
    code: str,
    detail: str,
) -> None:
    call = f"{connector}/refusals"
    http.put(call)
    answer = http.post(f"{call}/audio", params=query, content=content)
    assert detail in refused(answer, 422, code)
    assert http.get(call).json()["pieces"] == 0


def test_unknown_calls_and_connectors_are_not_found(http: httpx.Client, connector: str) -> None:
    refused(http.put("/api/v1/calls/nowhere/x"), 404, "resource.not_found")
    for method, path in (("GET", ""), ("POST", "/audio"), ("POST", "/end")):
        refused(http.request(method, f"{connector}/unknown{path}"), 404, "resource.not_found")
    assert httpx.put(f"{http.base_url}{connector}/x", trust_env=False).status_code == 401


def test_the_commands_of_the_documentation_run(
    acme: ChimeServer, http: httpx.Client, tmp_path: Path
) -> None:
    page = DOCS.read_text(encoding="utf-8")
    commands, document = (_block(page, language) for language in ("sh", "json"))
    (tmp_path / "piece-1.ulaw").write_bytes(SECOND)
    (tmp_path / "both.wav").write_bytes(wav_of(np.zeros((16_000, 2), np.int16)))
    given = {
        "EARMARK": f"{acme.server.url}/api/v1",
        "EARMARK_KEY": acme.token,
        "CONNECTOR": acme.connector(),
    }
    subprocess.run(["bash", "-e", "-c", commands], cwd=tmp_path, env=os.environ | given, check=True)
    call = http.get(f"/api/v1/calls/{given['CONNECTOR']}/call-4711").json()
    assert (call["state"], call["pieces"]) == ("ended", 2)
    assert call.keys() == json.loads(document).keys()


def _block(page: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]

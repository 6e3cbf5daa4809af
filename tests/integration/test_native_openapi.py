"""What the OpenAPI document promises, asked of a running server with thousands of odd requests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server import Server, running

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "use_after_free",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("openapi")
    unlimited = {"EARMARK_RATE_LIMIT": "1000000/minute"}
    with running(folder, "--no-worker", settings=unlimited) as server:
        yield server


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    """The OpenAPI document, which asks for no key."""
    answer = httpx.get(f"{server.url}/api/v1/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    "phases",
    ["examples,fuzzing,stateful", pytest.param("coverage", marks=pytest.mark.slow)],
)
def test_every_answer_is_one_that_is_described(server: Server, tmp_path: Path, phases: str) -> None:
    """Schemathesis: examples, fuzzing, and chains of requests; apart from these, all borders."""
    run = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run"),
            f"{server.url}/api/v1/openapi.json",
            *("--header", f"Authorization: Bearer {server.key}"),
            *("--checks", ",".join(CHECKS)),
            *("--exclude-operation-id", "revoke_key"),  # it would be its own
            *("--exclude-operation-id", "follow_job"),  # ends when the job does
            *("--phases", phases),
            *("--max-examples", "8", "--seed", "1", "--generation-database", "none"),
            *("--warnings", "off", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout[-6000:]
    assert '"level": "error"' not in server.log


def test_every_route_is_described_for_people(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            where = f"{method} {path}"
            assert route["summary"], where
            assert route["description"], where
            assert route["security"] == [{"key": []}], where
            assert {"401", "403", "422", "429", "500", "503"} <= set(route["responses"]), where


def test_every_post_takes_an_idempotency_key(document: dict[str, Any]) -> None:
    posts = [route["post"] for route in document["paths"].values() if "post" in route]
    assert posts
    for route in posts:
        keys = [each for each in route["parameters"] if each["name"] == "Idempotency-Key"]
        assert [key["in"] for key in keys] == ["header"], route["summary"]


def test_no_schema_is_named_and_not_there(document: dict[str, Any]) -> None:
    def names(part: object) -> Iterator[str]:
        if isinstance(part, dict):
            if "$ref" in part:
                yield part["$ref"].rpartition("/")[2]
            for value in part.values():
                yield from names(value)
        elif isinstance(part, list):
            for value in part:
                yield from names(value)

    assert set(names(document)) <= set(document["components"]["schemas"])

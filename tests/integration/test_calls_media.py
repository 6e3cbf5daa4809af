"""The sound of calls as it is spoken: kept in pieces, whatever becomes of the connection."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from call_media import Socket, connected
from chime import ChimeServer
from earmark.service import Scope, Store
from earmark.settings import Settings
from earmark.storage import calls
from server import running
from waiting import until

DOCS = Path(__file__).parents[2] / "docs/calls.md"
MULAW: dict[str, Any] = {"encoding": "mulaw", "sample_rate": 8000}
PCM: dict[str, Any] = {"encoding": "pcm_s16le", "sample_rate": 16000}


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChimeServer]:
    settings = {"EARMARK_MAX_DURATION_S": "30"}
    folder = tmp_path_factory.mktemp("media")
    with running(folder, "--no-worker", settings=settings) as server:
        yield ChimeServer(server, "acme")


@pytest.fixture(scope="module")
def http(acme: ChimeServer) -> Iterator[httpx.Client]:
    with acme.http() as http:
        yield http


@pytest.fixture(scope="module")
def connector(acme: ChimeServer) -> str:
    return f"/api/v1/calls/{acme.connector()}"


@pytest.fixture
def call(http: httpx.Client, connector: str, request: pytest.FixtureRequest) -> str:
    """The path of a call of the test's own."""
    path = f"{connector}/{request.node.name.partition('[')[0]}-{time.monotonic_ns()}"
    assert http.put(path).status_code == 201
    return path


class Line:
    """Opens sockets of one call."""

    def __init__(self, acme: ChimeServer, call: str) -> None:
        self.acme, self.call = acme, call

    def socket(self, **query: Any) -> AbstractContextManager[Socket]:
        return connected(self.acme.server, f"{self.call}/media", key=self.acme.token, **query)

    def sound_s(self) -> dict[str, float]:
        with self.acme.http() as http:
            return dict(http.get(self.call).json()["sound_s"])


@pytest.fixture
def line(acme: ChimeServer, call: str) -> Line:
    return Line(acme, call)


def test_sound_is_stored_in_pieces_and_acknowledged(line: Line) -> None:
    with line.socket(leg="caller", **PCM) as socket:
        started = socket.receive()
        assert (started["type"], started["schema"]) == ("started", "earmark.call-media/1")
        assert (started["state"], started["sound_s"]) == ("open", {"caller": 0.0, "callee": 0.0})
        sound = bytes(5 * 32_000)
        socket.send(*(sound[i : i + 999] for i in range(0, len(sound), 999)))  # odd, most of them
        stored = socket.receive()
        assert stored["type"] == "stored"
        assert 4.0 <= stored["sound_s"]["caller"] < 4.1
        assert stored["stored_bytes"] == round(stored["sound_s"]["caller"] * 16_000) * 2
        socket.send({"type": "finish"})
        finished = socket.until("finished")
        assert (finished["state"], finished["sound_s"]["caller"]) == ("open", 5.0)
        assert socket.closed() == (1000, "finished")
    assert line.sound_s() == {"caller": 5.0, "callee": 0.0}


def test_both_legs_come_interleaved_and_end_the_call(line: Line, http: httpx.Client) -> None:
    call_id = http.get(line.call).json()["id"]
    with connected(
        line.acme.server, f"/api/v1/calls/{call_id}/media", key=line.acme.token, **MULAW
    ) as socket:
        socket.send(bytes(2 * 8000), b"\0", {"type": "end"})
        finished = socket.until("finished")
        assert (finished["call"], finished["state"]) == (call_id, "ended")
        assert finished["sound_s"] == {"caller": 1.0, "callee": 1.0}
        assert finished["stored_bytes"] == 16_000, "half a sample is no sample"
    assert http.get(line.call).json()["state"] == "ended"
    refused = refusal(line.acme, line.call, line.acme.token, {"leg": "caller", **MULAW})
    assert refused == (409, "resource.conflict")


def test_a_connection_that_is_cut_is_gone_on_with(line: Line) -> None:
    with line.socket(leg="callee", **MULAW) as first:
        first.receive()
        first.send(bytes(12_345))
        first.cut()
    until(lambda: line.sound_s()["callee"], what="what was sent before the cut")
    with line.socket(leg="callee", **MULAW) as again:
        assert again.receive()["sound_s"]["callee"] == 12_345 / 8000
        again.send(bytes(8000), {"type": "finish"})
        assert again.until("finished")["sound_s"]["callee"] == 20_345 / 8000


def test_a_new_connection_has_the_leg_and_the_earlier_one_loses_it(line: Line) -> None:
    with line.socket(leg="caller", **MULAW) as first, line.socket(**MULAW) as second:
        assert [each.receive()["type"] for each in (first, second)] == ["started"] * 2
        first.send(bytes(160))
        assert "Another connection" in first.receive()["message"]
        assert first.closed()[0] == 1008
        second.send(bytes(16_000), {"type": "finish"})
        assert second.until("finished")["sound_s"] == {"caller": 1.0, "callee": 1.0}


def test_an_earlier_connection_that_says_nothing_is_closed_too(line: Line) -> None:
    with line.socket(leg="caller", **MULAW) as first, line.socket(leg="caller", **MULAW):
        assert first.receive()["type"] == "started"
        assert "Another connection" in first.receive()["message"]
        assert first.closed()[0] == 1008


def test_a_call_that_ends_meanwhile_closes_its_connections(line: Line, http: httpx.Client) -> None:
    with line.socket(leg="caller", **MULAW) as socket:
        socket.receive()
        http.post(f"{line.call}/end")
        socket.send(bytes(5 * 8000))
        error = socket.receive()
        assert (error["type"], error["code"]) == ("error", "resource.conflict")
        assert socket.closed() == (1008, "resource.conflict")


def test_a_call_holds_no_more_than_it_may(line: Line) -> None:
    with line.socket(leg="caller", **MULAW) as socket:
        socket.receive()
        socket.send(bytes(31 * 8000))
        assert socket.receive()["code"] == "audio.too_large"
        assert socket.closed()[0] == 1009
    assert line.sound_s()["caller"] == 0.0


@pytest.mark.parametrize("text", ["hello", '{"type": "pause"}', "[]"])
def test_text_that_is_no_message_closes_the_connection(line: Line, text: str) -> None:
    with line.socket(leg="caller", **MULAW) as socket:
        socket.receive()
        socket.send(bytes(8000))
        socket.connection.send(text)
        assert "finish" in socket.receive()["message"]
        assert socket.closed()[0] == 1003
    assert line.sound_s()["caller"] == 1.0, "what came before is kept"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"leg": "caller"}, 422, "input.option"),
        ({"leg": "nobody", **MULAW}, 422, "input.option"),
        ({**MULAW, "sample_rate": 4000}, 422, "input.option"),
        ({**MULAW, "encoding": "g729"}, 422, "input.option"),
        ({**MULAW, "ticket": "no-ticket"}, 401, "key.unknown"),
    ],
)
def test_what_cannot_be_is_refused_before_the_handshake(
    acme: ChimeServer, connector: str, query: dict[str, Any], status: int, code: str
) -> None:
    key = None if "ticket" in query else acme.token
    assert refusal(acme, f"{connector}/refusals", key, query) == (status, code)


def test_calls_of_others_are_unknown(
    acme: ChimeServer, http: httpx.Client, connector: str, call: str
) -> None:
    call_id = http.get(call).json()["id"]
    ours, theirs = acme.token, acme.server.new_key("globex")
    live_only = acme.server.new_key("acme", [Scope.LIVE])
    for path in (call, f"/api/v1/calls/{call_id}"):
        assert refusal(acme, path, theirs, MULAW) == (404, "resource.not_found")
        assert refusal(acme, path, live_only, MULAW) == (403, "key.scope")
        assert refusal(acme, path, None, MULAW) == (401, "key.unknown")
    for path in (f"{connector}/nowhere", "/api/v1/calls/nowhere"):
        assert refusal(acme, path, ours, MULAW) == (404, "resource.not_found")


def test_a_page_connects_with_a_ticket(line: Line, http: httpx.Client) -> None:
    ticket = http.post("/api/v1/tickets").json()["ticket"]
    query = {**MULAW, "leg": "caller", "ticket": ticket}
    with connected(line.acme.server, f"{line.call}/media", **query) as socket:
        assert socket.receive()["type"] == "started"
    assert refusal(line.acme, line.call, None, query) == (401, "key.unknown"), "it was used"


def test_the_program_of_the_documentation_runs(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    program = found[1]
    url = line.acme.server.url.replace("http", "ws", 1) + line.call
    for said, meant in (
        ('"em_…"', repr(line.acme.token)),
        ('"ws://127.0.0.1:8000/api/v1/calls/5l305bxj7yblb96k11of3i/call-4711"', repr(url)),
    ):
        assert said in program
        program = program.replace(said, meant)
    (tmp_path / "caller.ulaw").write_bytes(bytes(5 * 8000))
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    assert capsys.readouterr().out.split() == ["started", "stored", "finished"]
    assert line.sound_s()["caller"] == 5.0


def test_what_was_acknowledged_survives_the_death_of_the_server(line: Line, call: str) -> None:
    """The last of these tests: the server is no more."""
    server = line.acme.server
    with line.socket(leg="caller", **MULAW) as socket:
        socket.send(bytes(9 * 4000))
        stored = socket.until("stored")["sound_s"]["caller"]
        socket.send(bytes(4000))
        server.kill()
    store = Store.open(Settings(data_dir=server.data_dir))
    try:
        with store.database.read() as connection:
            row = calls.fetch(connection, transaction_id=call.rpartition("/")[2])
    finally:
        store.close()
    assert row is not None
    assert row["caller_s"] == stored == 4.5


def refusal(
    acme: ChimeServer, path: str, key: str | None, query: dict[str, Any]
) -> tuple[int, str]:
    with (
        pytest.raises(InvalidStatus) as refused,
        connected(acme.server, f"{path}/media", key=key, **query),
    ):
        pass
    answer = refused.value.response
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body is not None
    return answer.status_code, json.loads(answer.body)["code"]

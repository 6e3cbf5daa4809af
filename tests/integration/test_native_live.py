"""The live protocol, spoken to a running server: as described, and as it should not be."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from earmark.dialects.native._live_messages import FROM_SERVER
from earmark.dialects.native._live_requests import FROM_CLIENT
from earmark.service import Scope
from server import Server, running
from waiting import until

PAGE = Path(__file__).parents[2] / "docs" / "live-protocol.md"
SETTINGS = {
    "EARMARK_LIVE_IDLE_S": "3",
    "EARMARK_LIVE_RESUME_S": "20",
}

Message = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {**SETTINGS, "EARMARK_MODELS_DIR": str(models_dir)}
    with running(tmp_path_factory.mktemp("live"), "--no-worker", settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def sound(sample_wav: Path) -> bytes:
    """10 s of a telephone call, PCM16 at 16 kHz."""
    with wave.open(str(sample_wav)) as recording:
        recording.setpos(6 * 16_000)
        return bytes(recording.readframes(10 * 16_000))


@contextlib.contextmanager
def connected(
    server: Server,
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    sock: socket.socket | None = None,
    **start: object,
) -> Iterator[Client]:
    """A connection; ``start`` is what its first message says."""
    url = server.url.replace("http", "ws", 1) + "/api/v1/live" + query
    found = server.headers if headers is None else headers
    with connect(
        url, additional_headers=found, proxy=None, compression=None, close_timeout=0.5, sock=sock
    ) as websocket:
        client = Client(websocket)
        if start:
            client.say(**start)
        yield client


class Client:
    """One connection, and all that came on it."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.came: list[Message] = []

    def say(self, **message: object) -> None:
        self.websocket.send(json.dumps(message))

    def send(self, sound: bytes, *, chunk: int = 8000) -> None:
        for at in range(0, len(sound), chunk):
            self.websocket.send(sound[at : at + chunk])

    def hear(self, kind: str) -> Message:
        """The next message of this type; what comes before it is kept too."""
        while True:
            message: Message = json.loads(self.websocket.recv(timeout=60))
            self.came.append(message)
            if message["type"] == kind:
                return message

    def closed(self) -> tuple[int, str, Message]:
        """Code, reason, and the last message before it."""
        with pytest.raises(ConnectionClosed):
            self.hear("nothing")
        code, reason = self.websocket.close_code, self.websocket.close_reason
        assert code is not None
        assert reason is not None
        return code, reason, self.came[-1]

    @property
    def events(self) -> list[Message]:
        """What the sound alone decides."""
        moments = ("received_bytes",)
        return [
            {name: value for name, value in each.items() if name not in moments}
            for each in self.came
            if "number" in each and each["type"] != "stats"
        ]


@pytest.fixture(scope="module")
def straight(server: Server, sound: bytes) -> Client:
    """A session without any trouble."""
    with connected(server, type="start") as client:
        client.send(sound)
        client.say(type="finish")
        assert client.closed()[:2] == (1000, "finished")
    return client


def test_a_session_tells_who_speaks_and_ends(straight: Client) -> None:
    started, *events = straight.came
    assert started["type"] == "started"
    assert started["schema"] == "earmark.live/1"
    assert [each["number"] for each in events] == list(range(1, len(events) + 1))
    turns = {each["turn"]: each for each in events if each["type"] == "turn"}
    assert "confirmed" in {each["state"] for each in turns.values()}
    assert "provisional" not in {each["state"] for each in turns.values()}
    assert events[-1]["reason"] == "finished"
    assert events[-1]["at"] == 10.0
    assert events[-1]["received_bytes"] == 320_000


def examples() -> list[Message]:
    """The messages of the page."""
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [each for each in map(json.loads, blocks) if "type" in each]


def test_the_page_shows_every_message_as_it_is_sent(server: Server, straight: Client) -> None:
    shown = {each["type"]: each for each in examples()}
    with connected(server, type="start", traits=["speech"], turns=True, stats_s=1) as client:
        client.say(type="ping", id="1")
        client.hear("pong")
        client.send(bytes(64_000))
        client.say(type="flush")
        client.hear("flushed")
        client.say(type="start")
        client.closed()
    sent = {each["type"]: each for each in (*straight.came, *client.came)}
    assert {"started", "turn", "speech_started", "stats", "pong", "ended", "error"} <= sent.keys()
    for kind, message in sent.items():
        assert list(message) == list(shown[kind]), kind
    told, said = FROM_SERVER.json_schema(mode="serialization"), FROM_CLIENT.json_schema()
    for schema in (*told["$defs"].values(), *said["$defs"].values()):
        if kind := schema.get("properties", {}).get("type", {}).get("const"):
            assert shown[kind].keys() == schema["properties"].keys(), kind
    described = httpx.get(f"{server.url}/api/v1/openapi.json").json()["components"]["schemas"]
    assert {"LiveFromClient", "LiveFromServer"} <= described.keys()


def test_a_connection_that_is_cut_in_mid_frame_goes_on_as_if_nothing_had_happened(
    server: Server, sound: bytes, straight: Client
) -> None:
    with connected(server, type="start") as first:
        token = first.hear("started")["token"]
        first.send(sound[:272_001], chunk=3333)
        first.hear("turn")
        first.say(type="acknowledge", number=first.came[1]["number"])
        cut(first.websocket.socket)
    read = first.events[-1]["number"]
    with connected(server, type="resume", token=token, after=read) as second:
        started = second.hear("started")
        assert started["resumed"]
        assert 0 < started["received_bytes"] <= 272_001
        second.send(sound[started["received_bytes"] :])
        second.say(type="finish")
        assert second.hear("ended")["reason"] == "finished"
    with connected(server, type="resume", token=token, after=read) as third:
        third.closed()
    assert third.events == second.events
    assert first.events + second.events == straight.events


def cut(connection: socket.socket) -> None:
    """Break off in the middle of a message, without a word."""
    connection.sendall(bytes([0x82, 0xFE, 0x1F, 0x40]) + bytes(4) + b"half a message")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_who_closes_the_connection_on_purpose_ends_the_session(server: Server) -> None:
    with connected(server, type="start") as client:
        session = client.hear("started")["session"]
    with server.client() as http:
        until(
            lambda: (
                session not in {each["id"] for each in http.get("/api/v1/live").json()["items"]}
            ),
            within_s=10,
            what="the session to end",
        )


def test_who_resumes_a_session_takes_it_over(server: Server) -> None:
    with (
        connected(server, type="start") as first,
        connected(server, type="resume", token=first.hear("started")["token"], after=0) as second,
    ):
        assert second.hear("started")["resumed"]
        code, reason, last = first.closed()
        assert (code, reason, last["type"]) == (1008, "live.over", "error")
        second.say(type="finish")
        assert second.hear("ended")["reason"] == "finished"


def test_what_a_client_says_wrong_is_told(server: Server) -> None:
    wrong: list[tuple[str | bytes, int, str]] = [
        ("hello", 1003, "JSON object"),
        (b"\0\0", 1003, "comes first"),
        ('{"type": "stop"}', 1008, "'type'"),
        ("[]", 1008, "'type'"),
        ('{"type": "finish"}', 1008, "comes first"),
        ('{"type": "start", "sample_rate": 1}', 1008, "sample_rate=1"),
        ('{"type": "start", "rate": 8000}', 1008, "no field 'rate'"),
        ('{"type": "start", "turns": false}', 1008, "'traits'"),
        ('{"type": "start", "gallery_ids": ["g"]}', 1008, "no gallery 'g'"),
        ('{"type": "resume", "token": "t", "after": 0}', 1008, "no live session"),
    ]
    for said, code, why in wrong:
        with connected(server) as client:
            client.websocket.send(said)
            found, reason, last = client.closed()
            assert (found, last["type"], last["code"]) == (code, "error", reason), said
            assert why in last["message"]
    with connected(server, type="start") as client:
        client.hear("started")
        client.websocket.send("half a second of sound")
        assert client.closed()[0] == 1003
    with connected(server, type="start") as client:
        client.hear("started")
        client.say(type="finish")
        client.websocket.send(bytes(3200))
        client.closed()
        assert client.came[-1]["type"] in ("error", "ended")  # whichever came first
    with connected(server, type="start") as client:
        client.hear("started")
        with contextlib.suppress(ConnectionClosed):  # the server does not wait for all of it
            client.websocket.send(bytes((2 << 20) + 2))
        assert client.closed()[0] == 1009


def test_nobody_comes_in_without_a_key(server: Server) -> None:
    jobs_only = server.new_key("default", [Scope.JOBS])
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer em_wrong"}, 401),
        ({"X-API-Key": jobs_only}, 403),
    ):
        with pytest.raises(InvalidStatus) as refused, connected(server, headers=headers):
            pass
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body or b"")["status"] == status
    with connected(server, headers={"X-API-Key": server.key}, type="start") as client:
        client.hear("started")
    with pytest.raises(InvalidStatus), connected(server, headers={}, query=f"?key={server.key}"):
        pass


def test_a_ticket_opens_one_connection(server: Server) -> None:
    with server.client() as http:
        answer = http.post("/api/v1/tickets")
        assert answer.status_code == 201
        ticket = answer.json()["ticket"]
    with connected(server, headers={}, query=f"?ticket={ticket}", type="start") as client:
        client.hear("started")
    with (
        pytest.raises(InvalidStatus) as refused,
        connected(server, headers={}, query=f"?ticket={ticket}"),
    ):
        pass
    assert refused.value.response.status_code == 401
    assert ticket not in server.log


def test_sessions_of_others_cannot_be_seen_or_touched(server: Server) -> None:
    stranger = server.new_key("stranger", [Scope.LIVE])
    theirs = {"Authorization": f"Bearer {stranger}"}
    with (
        connected(server, type="start") as client,
        server.client() as own,
        server.client(stranger) as other,
    ):
        started = client.hear("started")
        with connected(
            server, headers=theirs, type="resume", token=started["token"], after=0
        ) as thief:
            assert thief.closed()[1] == "live.over"
        assert other.get("/api/v1/live").json()["items"] == []
        assert other.delete(f"/api/v1/live/{started['session']}").status_code == 404
        listed = own.get("/api/v1/live").json()["items"]
        (mine,) = [each for each in listed if each["id"] == started["session"]]
        assert mine["connected"]
        assert own.delete(f"/api/v1/live/{started['session']}").status_code == 204
        code, reason, last = client.closed()
        assert (code, reason, last["reason"]) == (1000, "canceled", "canceled")


def test_a_client_that_never_reads_does_not_disturb_others(
    server: Server, sound: bytes, straight: Client
) -> None:
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    narrow.connect((httpx.URL(server.url).host, httpx.URL(server.url).port))
    with (
        connected(server, sock=narrow, type="start", resumable=False) as mute,
        connected(server, type="start") as client,
    ):
        mute.send(sound)
        client.send(sound)
        client.say(type="finish")
        client.closed()
        cut(narrow)
    assert client.events == straight.events


def test_clients_that_die_leave_nothing_behind(server: Server, sound: bytes) -> None:
    for _ in range(3):
        with connected(server, type="start", resumable=False) as client:
            client.hear("started")
            client.send(sound[:64_000])
            cut(client.websocket.socket)
    with server.client() as http:
        until(lambda: all_lost(http), what="the sessions to end")
        metrics = http.get("/metrics").text
        assert re.search(r"^earmark_live_sessions \d+\.0$", metrics, re.MULTILINE)


def all_lost(http: httpx.Client) -> bool:
    items = http.get("/api/v1/live").json()["items"]
    return not any(each["connected"] for each in items)


def test_streams_are_told_when_the_server_ends(server: Server, sound: bytes) -> None:
    with connected(server, type="start") as client:
        client.hear("started")
        client.send(sound[:64_000])
        client.say(type="ping")
        client.hear("pong")
        server.process.terminate()
        code, reason, last = client.closed()
        assert (code, reason, last["reason"]) == (1012, "shutting_down", "shutting_down")
    assert server.process.wait(30) == 0
    assert "Traceback" not in server.log, server.log[server.log.index("Traceback") - 300 :][:3000]

"""Live sessions by gRPC against a running server: what is told, and what is refused."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import wave
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from websockets.sync.client import connect

from earmark.dialects.native._live_pb2 import (
    Acknowledge,
    Finish,
    Flush,
    FromClient,
    FromServer,
    Ping,
    Resume,
    Start,
)
from earmark.service import Scope
from server import Server, running

ROOT = Path(__file__).parents[2]
RATE = 16_000
SECONDS = 12
LISTEN = "/earmark.v1.Live/Listen"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {"EARMARK_MODELS_DIR": str(models_dir)}
    with running(tmp_path_factory.mktemp("live"), "--no-worker", settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


@pytest.fixture(scope="module")
def sound(sample_wav: Path) -> bytes:
    """Two people on the telephone, as bare samples."""
    with wave.open(str(sample_wav), "rb") as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (RATE, 2, 1)
        file.setpos(6 * RATE)
        return file.readframes(SECONDS * RATE)


class Call:
    """A call that goes on while messages are given to it."""

    def __init__(self, channel: grpc.Channel, key: str | None) -> None:
        self._said: SimpleQueue[FromClient | None] = SimpleQueue()
        listen = channel.stream_stream(LISTEN, FromClient.SerializeToString, FromServer.FromString)
        metadata = (("authorization", f"Bearer {key}"),) if key else ()
        self.answers: Any = listen(iter(self._said.get, None), metadata=metadata, timeout=120)

    def say(self, *messages: FromClient) -> None:
        for message in messages:
            self._said.put(message)

    def end(self) -> None:
        """Say that nothing more comes."""
        self._said.put(None)

    def refusal(self) -> Any:
        """The error that the call ends with."""
        with pytest.raises(grpc.RpcError) as raised:
            list(self.answers)
        self.end()
        return raised.value


def pieces(sound: bytes, size: int) -> Iterator[FromClient]:
    for at in range(0, len(sound), size):
        yield FromClient(sound=sound[at : at + size])


def events(messages: Iterable[FromServer]) -> list[FromServer]:
    """Without what depends on when things came."""
    kept = []
    for each in messages:
        if each.number and each.WhichOneof("message") != "stats":
            kept.append(FromServer())
            kept[-1].CopyFrom(each)
            kept[-1].ClearField("received_bytes")
    return kept


def by_websocket(server: Server, start: dict[str, Any], sound: bytes) -> list[FromServer]:
    """What the WebSocket tells, as messages of gRPC."""
    told = []
    with connect(
        server.url.replace("http", "ws") + "/api/v1/live",
        additional_headers=server.headers,
        proxy=None,
        max_size=None,
    ) as socket:
        socket.send(json.dumps({"type": "start", **start}))
        for at in range(0, len(sound), 7001):
            socket.send(sound[at : at + 7001])
        socket.send(json.dumps({"type": "finish"}))
        for text in socket:
            message = json.loads(text)
            message.pop("schema", None)
            if message["type"] == "relabel":
                message |= {"source": message.pop("from"), "target": message.pop("to")}
            head = {
                name: message.pop(name)
                for name in ("received_bytes", "number", "at")
                if name in message
            }
            told.append(ParseDict(head | {message.pop("type"): message}, FromServer()))
    return events(told)


@pytest.fixture(scope="module")
def whole(server: Server, sound: bytes) -> list[FromServer]:
    start = {"traits": ["speech"], "period_s": 2.048, "max_speakers": 2}
    return by_websocket(server, start, sound)


START = FromClient(start=Start(traits=["speech"], period_s=2.048, max_speakers=2))


def test_the_same_is_told_as_by_websocket(
    server: Server, channel: grpc.Channel, sound: bytes, whole: Sequence[FromServer]
) -> None:
    call = Call(channel, server.key)
    call.say(START, *pieces(sound, 3200), FromClient(finish=Finish()))
    call.end()
    first, *told = list(call.answers)
    assert first.started.session
    assert first.started.token
    assert not first.started.resumed
    assert events(told) == whole
    kinds = {each.WhichOneof("message") for each in whole}
    assert {"speech_started", "turn", "traits", "ended"} <= kinds
    assert whole[-1].ended.reason == "finished"
    assert [each.number for each in told] == list(range(1, len(told) + 1))
    assert told[-1].received_bytes == len(sound)


def test_a_call_that_breaks_off_is_resumed_by_another(
    server: Server, channel: grpc.Channel, sound: bytes, whole: Sequence[FromServer]
) -> None:
    part = len(sound) * 17 // 20 + 1  # somebody speaks in it, and more follows
    call = Call(channel, server.key)
    call.say(START, *pieces(sound[:part], 8000))
    token = next(call.answers).started.token
    told = []
    for message in call.answers:
        told.append(message)
        if message.WhichOneof("message") == "turn":
            break
    call.say(FromClient(acknowledge=Acknowledge(number=told[0].number)))
    call.answers.cancel()

    again = Call(channel, server.key)
    again.say(FromClient(resume=Resume(token=token, after=told[-1].number)))
    first = next(again.answers)
    assert first.started.resumed
    assert first.received_bytes <= part
    again.say(*pieces(sound[first.received_bytes :], 8000), FromClient(finish=Finish()))
    told += again.answers
    again.end()
    assert events(told) == whole


def test_flush_and_ping_are_answered(server: Server, channel: grpc.Channel, sound: bytes) -> None:
    call = Call(channel, server.key)
    call.say(
        FromClient(start=Start(encoding="mulaw", sample_rate=8000, resumable=False)),
        FromClient(sound=bytes(8000)),
        FromClient(flush=Flush()),
        FromClient(ping=Ping(id="here")),
    )
    started = next(call.answers).started
    assert not started.HasField("token")
    assert started.limits.idle_s == 60
    kinds = {}
    for message in call.answers:
        kinds[message.WhichOneof("message")] = message
        if {"pong", "flushed"} <= kinds.keys():
            break
    assert kinds["pong"].pong.id == "here"
    assert kinds["pong"].received_bytes == 8000
    assert kinds["flushed"].number > 0
    call.end()
    assert "The messages ended without 'finish'." in call.refusal().details()


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ([FromClient()], "INVALID_ARGUMENT", "A message has one of start"),
        ([FromClient(sound=b"12")], "INVALID_ARGUMENT", "'start' or 'resume' comes first"),
        ([START, START], "INVALID_ARGUMENT", "the session has started already"),
        (
            [FromClient(start=Start(sample_rate=100))],
            "INVALID_ARGUMENT",
            "sample_rate=100 cannot be used",
        ),
        (
            [FromClient(start=Start(gallery_ids=["none"]))],
            "NOT_FOUND",
            "none",
        ),
        ([START, FromClient(sound=bytes(3 << 20))], "INVALID_ARGUMENT", "2097152 bytes of sound"),
        (
            [FromClient(resume=Resume(token="t", after=0))],
            "FAILED_PRECONDITION",
            "This token opens no live session",
        ),
    ],
    ids=["nothing", "no-start", "two-starts", "rate", "gallery", "long", "token"],
)
def test_what_cannot_be(
    server: Server, channel: grpc.Channel, said: list[FromClient], code: str, words: str
) -> None:
    call = Call(channel, server.key)
    call.say(*said)
    error = call.refusal()
    assert error.code().name == code
    assert words in error.details()
    assert "earmark-code" in dict(error.trailing_metadata())


def test_who_may(server: Server, channel: grpc.Channel) -> None:
    for key, code in (
        (None, "UNAUTHENTICATED"),
        ("em_wrong", "UNAUTHENTICATED"),
        (server.new_key(scopes=(Scope.JOBS,)), "PERMISSION_DENIED"),
    ):
        error = Call(channel, key).refusal()
        assert error.code().name == code


def test_the_program_of_the_docs(server: Server, sound: bytes, tmp_path: Path) -> None:
    page = (ROOT / "docs/grpc.md").read_text(encoding="utf-8")
    command = re.findall(r"`python (-m grpc_tools.protoc [^`]+)`", page.replace("\n", " "))
    arguments = command[0].replace("proto/", f"{ROOT}/proto/").split()
    subprocess.run([sys.executable, *arguments], cwd=tmp_path, check=True)
    program = page.partition("```python\n")[2].partition("```")[0]
    with wave.open(str(tmp_path / "meeting.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(sound)
    for written, here in (("127.0.0.1:50051", server.grpc), ("em_…", server.key)):
        assert written in program
        program = program.replace(written, here)
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    assert re.search(r"(?m)^ +\d+\.\d{3} +\d+\.\d{3} SPEAKER_0\d$", printed)


def test_a_server_that_ends_tells_its_sessions(server: Server, channel: grpc.Channel) -> None:
    # The last test here: it ends the server of all.
    call = Call(channel, server.key)
    call.say(START, FromClient(sound=bytes(32000)))
    assert next(call.answers).started.session
    server.process.send_signal(signal.SIGTERM)
    error = call.refusal()
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details().startswith("The server is shutting down")
    assert server.process.wait(60) == 0
    assert "Traceback" not in server.log

"""Twilio's media streams, message by message as Twilio sends them, of real voices."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidStatus

from call_media import Socket, connected
from chime import ChimeServer
from people import RATE, People
from raw_server import RawServer, serve
from server import running
from waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PATH = "/twilio/media-streams"
AUTH_TOKEN = "12345678901234567890123456789012"
STREAM = "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
ACCOUNT = "ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
FRAME = 160  # bytes of 20 ms


@pytest.fixture(scope="module")
def bus() -> Iterator[RawServer]:
    """Where events go."""
    with serve(OK) as bus:
        yield bus


@pytest.fixture(scope="module")
def acme(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, bus: RawServer
) -> Iterator[ChimeServer]:
    settings = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_STANDING_CONSENT": "I agree that my voice is recognised when I call.",
        "EARMARK_TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "EARMARK_ALLOW_HTTP": "1",
        "EARMARK_ALLOW_ADDRESSES": "127.0.0.1",
        "EARMARK_CHIME_EVENT_URLS": bus.url("/bus"),
    }
    with running(tmp_path_factory.mktemp("twilio"), settings=settings) as server:
        yield ChimeServer(server, "acme")


def signature(url: str, token: str = AUTH_TOKEN) -> str:
    """What Twilio puts into X-Twilio-Signature for an address without parameters."""
    return base64.b64encode(hmac.digest(token.encode(), url.encode(), hashlib.sha1)).decode()


def mulaw(samples: NDArray[np.int16]) -> bytes:
    """G.711 µ-law, as ITU-T's reference does it: 14 bits, segments, all bits inverted."""
    size = np.minimum(np.abs(samples.astype(np.int32)) // 4, 8158) + 33
    segment = np.floor(np.log2(size)).astype(np.int32) - 5
    code = segment << 4 | (size >> (segment + 1)) & 15
    sign = np.where(samples < 0, 0x80, 0)
    return bytes((~(code | sign) & 0xFF).astype(np.uint8))


class Stream:
    """One stream as Twilio holds it."""

    def __init__(self, socket: Socket, call_sid: str = "CA1") -> None:
        self.socket, self.call_sid = socket, call_sid
        self._sequence = 0
        self._chunk = {"inbound": 0, "outbound": 0}

    def say(self, event: str, **part: Any) -> None:
        self._sequence += 1
        self.socket.send(
            {"event": event, "sequenceNumber": str(self._sequence), **part, "streamSid": STREAM}
        )

    def start(self, **parameters: str) -> None:
        self.socket.send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self.say(
            "start",
            start={
                "accountSid": ACCOUNT,
                "streamSid": STREAM,
                "callSid": self.call_sid,
                "tracks": ["inbound", "outbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": parameters,
            },
        )

    def media(self, track: str, sound: bytes) -> None:
        self._chunk[track] += 1
        self.say(
            "media",
            media={
                "track": track,
                "chunk": str(self._chunk[track]),
                "timestamp": str(20 * self._chunk[track]),
                "payload": base64.b64encode(sound).decode(),
            },
        )

    def talk(self, **tracks: bytes) -> None:
        """Both parties' sound, in frames of 20 ms, in turns."""
        for at in range(0, max(map(len, tracks.values())), FRAME):
            for track, sound in tracks.items():
                if at < len(sound):
                    self.media(track, sound[at : at + FRAME])

    def stop(self) -> None:
        self.say("stop", stop={"accountSid": ACCOUNT, "callSid": self.call_sid})


class Desk:
    """A connector, and what is seen of its calls."""

    def __init__(self, acme: ChimeServer) -> None:
        self.acme, self.connector = acme, acme.connector()

    def connect(self, headers: dict[str, str] | None = None) -> Any:
        url = self.acme.server.url.replace("http", "ws", 1) + PATH
        signed = {"X-Twilio-Signature": signature(url)} if headers is None else headers
        return connected(self.acme.server, PATH, headers=signed)

    def ticket(self) -> str:
        with self.acme.http() as http:
            return str(http.post("/api/v1/tickets").json()["ticket"])

    def call(self, transaction: str) -> dict[str, Any] | None:
        with self.acme.http() as http:
            answer = http.get(f"/api/v1/calls/{self.connector}/{transaction}")
        return answer.json() if answer.status_code == 200 else None

    def search(self, transaction: str, domain: str, leg: str) -> str:
        task = self.acme.client.start_speaker_search_task(
            VoiceConnectorId=self.connector,
            TransactionId=transaction,
            VoiceProfileDomainId=domain,
            CallLeg=leg,
        )["SpeakerSearchTask"]
        return str(task["SpeakerSearchTaskId"])

    def look(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = self.acme.client.get_speaker_search_task(
            VoiceConnectorId=self.connector, SpeakerSearchTaskId=task
        )["SpeakerSearchTask"]
        return found

    def searched(self, task: str) -> dict[str, Any]:
        """The task once it has its details."""
        return until(
            lambda: found if "SpeakerSearchDetails" in (found := self.look(task)) else None,
            within_s=60,
            what="the answer of a search",
        )

    def done(self, task: str) -> dict[str, Any]:
        """The task once it is over."""
        waiting = ("IN_QUEUE", "IN_PROGRESS")
        return until(
            lambda: f if (f := self.look(task))["SpeakerSearchTaskStatus"] not in waiting else None,
            within_s=60,
            what="the end of a task",
        )


@pytest.fixture(scope="module")
def desk(acme: ChimeServer) -> Desk:
    return Desk(acme)


@pytest.fixture(scope="module")
def june(acme: ChimeServer, desk: Desk, people: People) -> dict[str, Any]:
    """A domain with june, enrolled from her first call, which went on meanwhile."""
    domain = acme.domain("regulars")
    with desk.connect() as socket:
        stream = Stream(socket, "CAfirst")
        stream.start(connector=desk.connector, key=acme.token)
        until(lambda: desk.call("CAfirst"), what="the call")
        task = desk.search("CAfirst", domain, "Caller")
        sound = mulaw(people.samples("june", 30.0))
        stream.talk(inbound=sound[: 13 * RATE])
        first = desk.searched(task)
        stream.talk(inbound=sound[13 * RATE :])
        done = desk.done(task)
        stream.stop()
        assert socket.closed() == (1000, "stopped")
    made = acme.client.create_voice_profile(SpeakerSearchTaskId=task)["VoiceProfile"]
    return {"domain": domain, "id": made["VoiceProfileId"], "first": first, "done": done}


def test_a_caller_is_searched_and_kept_while_the_call_goes_on(june: dict[str, Any]) -> None:
    assert june["first"]["SpeakerSearchTaskStatus"] == "IN_PROGRESS"
    assert june["first"]["SpeakerSearchDetails"] == {"Results": []}
    assert june["done"]["SpeakerSearchTaskStatus"] == "SUCCEEDED"


def test_both_parties_are_searched_and_only_the_enrolled_one_is_found(
    acme: ChimeServer, desk: Desk, june: dict[str, Any], people: People, bus: RawServer
) -> None:
    """A call that was made, not taken: the inbound track is the callee's."""
    with desk.connect() as socket:
        stream = Stream(socket)
        stream.start(
            connector=desk.connector, transaction="tx", ticket=desk.ticket(), inbound="callee"
        )
        until(lambda: desk.call("tx"), what="the call")
        tasks = {leg: desk.search("tx", june["domain"], leg) for leg in ("Caller", "Callee")}
        stream.say("dtmf", dtmf={"track": "inbound_track", "digit": "1"})
        stream.say("mark", mark={"name": "greeting"})
        voices = {"inbound": ("june", 1), "outbound": ("carlo", 0)}
        stream.talk(
            **{
                track: mulaw(people.samples(who, 14.0, part=part))
                for track, (who, part) in voices.items()
            }
        )
        found = {leg: desk.searched(task) for leg, task in tasks.items()}
        assert {each["SpeakerSearchTaskStatus"] for each in found.values()} == {"IN_PROGRESS"}
        (match,) = found["Callee"]["SpeakerSearchDetails"]["Results"]
        assert match["VoiceProfileId"] == june["id"]
        assert match["ConfidenceScore"] > 0.9
        assert found["Caller"]["SpeakerSearchDetails"]["Results"] == []

        acme.client.stop_speaker_search_task(
            VoiceConnectorId=desk.connector, SpeakerSearchTaskId=tasks["Caller"]
        )
        stream.stop()
        assert socket.closed() == (1000, "stopped")
    call = desk.call("tx")
    assert call is not None
    assert (call["state"], call["sound_s"]) == ("ended", {"caller": 14.0, "callee": 14.0})
    assert desk.look(tasks["Caller"])["SpeakerSearchTaskStatus"] == "STOPPED"
    over = desk.done(tasks["Callee"])
    assert over["SpeakerSearchTaskStatus"] == "PARTIAL_SUCCESS"
    assert over["SpeakerSearchDetails"]["VoiceprintGenerationStatus"] == (
        "VoiceprintGenerationFailure"
    )

    def told() -> list[str] | None:
        events = [json.loads(each.partition(b"\r\n\r\n")[2]) for each in list(bus.requests)]
        ours = [
            each["detail"]["detailStatus"]
            for each in events
            if each["detail"].get("taskId") == tasks["Callee"]
        ]
        return ours if len(ours) == 2 else None

    assert until(told)[0] == "IdentificationSuccessful"


def test_a_call_that_is_cut_is_gone_on_with_through_another_socket(
    acme: ChimeServer, desk: Desk, june: dict[str, Any], people: People
) -> None:
    """Through our own protocol, with a task that is started in the midst of the call."""
    path = f"/api/v1/calls/{desk.connector}/cut"
    with acme.http() as http:
        http.put(path)
    query: dict[str, Any] = {"leg": "caller", "encoding": "mulaw", "sample_rate": RATE}
    sound = mulaw(people.samples("june", 13.0, part=2))
    with connected(acme.server, f"{path}/media", key=acme.token, **query) as socket:
        socket.send(sound[: 6 * RATE])
        at = socket.until("stored")["stored_bytes"]
        socket.cut()
    task = desk.search("cut", june["domain"], "Caller")
    with connected(acme.server, f"{path}/media", key=acme.token, **query) as socket:
        assert socket.receive()["sound_s"]["caller"] == at / RATE
        for start in range(at, len(sound), 800):
            socket.send(sound[start : start + 800])
        (match,) = desk.searched(task)["SpeakerSearchDetails"]["Results"]
        assert match["VoiceProfileId"] == june["id"]


def test_only_the_account_with_the_token_is_let_in(desk: Desk) -> None:
    wrong = signature(desk.acme.server.url.replace("http", "ws", 1) + PATH, "another token")
    for headers in ({}, {"X-Twilio-Signature": wrong}):
        with pytest.raises(InvalidStatus) as refused, desk.connect(headers):
            pass
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({}, "ticket"),
        ({"ticket": "used"}, "no ticket"),
        ({"key": "em_wrong"}, "mistyped"),
        ({"key": "KEY", "connector": "nowhere"}, "no voice connector"),
        ({"key": "OTHER"}, "no voice connector"),
        ({"key": "KEY", "connector": ""}, "connector"),
        ({"key": "KEY", "inbound": "both"}, "inbound"),
    ],
)
def test_a_stream_that_nobody_may_bring_is_closed(
    acme: ChimeServer, desk: Desk, parameters: dict[str, str], word: str
) -> None:
    keys = {"KEY": acme.token, "OTHER": acme.server.new_key("globex")}
    given = {name: keys.get(value, value) for name, value in parameters.items()}
    with desk.connect() as socket:
        Stream(socket).start(**{"connector": desk.connector, **given})
        code, why = socket.closed()
    assert code == 1008
    assert word in why


@pytest.mark.parametrize(
    "message",
    [
        b"\0\0",
        "no JSON",
        '{"event": "media", "media": {"track": "inbound", "payload": "AAAA"}}',
        '{"event": "start"}',
    ],
)
def test_what_is_not_twilios_protocol_is_closed(desk: Desk, message: str | bytes) -> None:
    with desk.connect() as socket:
        socket.connection.send(message)
        assert socket.closed()[0] == 1008


def test_a_server_that_shuts_down_says_so(acme: ChimeServer, desk: Desk) -> None:
    """The last of these tests: the server is no more."""
    with desk.connect() as socket:
        stream = Stream(socket, "CAlast")
        stream.start(connector=desk.connector, key=acme.token)
        until(lambda: desk.call("CAlast"), what="the call")
        acme.server.process.send_signal(signal.SIGTERM)
        with suppress(ConnectionClosed):
            while True:
                stream.media("inbound", bytes(160))
        assert socket.closed()[0] == 1012

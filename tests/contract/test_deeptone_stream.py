"""DeepTone's stream with the client of its own samples, against a running server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websocket
from numpy.typing import NDArray

from earmark.audio import read_audio
from earmark.service import Scope
from people import RATE, People, wav_of
from server import Server, running
from waiting import until

Samples = NDArray[np.int16]

IDLE_S = 3.0
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_LIVE_IDLE_S": str(IDLE_S),
        "EARMARK_LIVE_LONGEST_S": "30",
        "EARMARK_LIVE_SESSIONS_PER_TENANT": "4",
    }
    with running(tmp_path_factory.mktemp("deeptone"), "--no-worker", settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    return server.new_key("ann", (Scope.LIVE, Scope.GALLERIES))


@pytest.fixture(scope="module")
def call(sample_wav: Path) -> Samples:
    """7.2 s of a call: 0.7 s of silence, then two people. 16 kHz."""
    sound = read_audio(sample_wav)[0][6 * 16_000 : round(13.2 * 16_000)]
    samples: Samples = np.round(sound * 32767).astype(np.int16)
    return samples


@pytest.fixture(scope="module")
def talk(people: People) -> Samples:
    """Ira, 4 s of nothing, Carlo and Ira again; 8 kHz."""
    ira, carlo = people.samples("ira", 12, part=2), people.samples("carlo", 6, part=2)
    nothing = np.zeros(4 * RATE, np.int16)
    return np.concatenate([ira[: 6 * RATE], nothing, carlo, ira[6 * RATE :]])


def address(server: Server) -> str:
    return server.url.replace("http", "ws", 1)


class Stream:
    """A connection with the client of DeepTone's samples."""

    def __init__(self, server: Server, query: str, *, key: str | None, **options: Any) -> None:
        self._socket = websocket.create_connection(
            f"{address(server)}/stream?{query}",
            header=[] if key is None else {"X-API-KEY": key},
            timeout=60,
            http_no_proxy=["127.0.0.1"],
            **options,
        )

    def close(self) -> None:
        self._socket.close()
        # The other leaves the socket open where the server closed first.
        self._socket.shutdown()  # type: ignore[no-untyped-call]

    def send(self, sound: bytes, *, at_once: int = 2048) -> None:
        for first in range(0, len(sound), at_once):
            self._socket.send_binary(sound[first : first + at_once])

    def send_text(self, text: str) -> None:
        self._socket.send(text)

    def read(self) -> dict[str, Any]:
        """The next message."""
        message: dict[str, Any] = json.loads(self._socket.recv())
        return message

    def results(self, count: int) -> list[dict[str, Any]]:
        """The next messages, all of which are results; of each channel 0."""
        read = [self.read() for _ in range(count)]
        assert {each["message_type"] for each in read} == {"results"}
        return [each["results"]["channels"]["0"] for each in read]

    def end(self) -> tuple[int, str]:
        """The code and reason that the server closes with, which is what comes next."""
        opcode, data = self._socket.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE, data
        return int.from_bytes(data[:2], "big"), data[2:].decode()


@pytest.fixture
def connect(server: Server, key: str) -> Iterator[Any]:
    """Opens streams, reads what they are welcomed with, and closes them in the end."""
    opened: list[Stream] = []

    def connecting(query: str, *, key: str | None = key, **options: Any) -> Stream:
        stream = Stream(server, query, key=key, **options)
        opened.append(stream)
        welcome = stream.read()
        assert welcome.keys() == {"message_type", "message"}
        assert welcome["message_type"] == "connection"
        assert isinstance(welcome["message"], str)
        return stream

    yield connecting
    for each in opened:
        each.close()


def refused(server: Server, query: str, key: str | None) -> str:
    """The sentence with which a stream that was opened is refused and closed with 1008."""
    with closing(Stream(server, query, key=key)) as stream:
        told = stream.read()
        assert told["message_type"] == "error"
        assert stream.end() == (1008, told["code"])
        sentence: str = told["message"]
        return sentence


def run(*program: str | Path, folder: Path | None = None) -> Iterator[dict[str, Any] | str]:
    """What a program prints until it ends: messages, or whatever else."""
    done = subprocess.run(
        [sys.executable, *program],
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    for line in done.stdout.splitlines():
        yield json.loads(line) if line.startswith("{") else line


def labels(results: list[dict[str, Any]], model: str) -> list[str]:
    """What a model says in each period."""
    return [each["results"][model]["result"] for each in results]


def assert_plausible(messages: list[Any], count: int) -> None:
    """Results of the first seconds of ``call``, in the envelope of both of the vendor's readers."""
    for i, each in enumerate(messages):
        assert each["message_type"] == "results"
        assert each["timestamp"] == i * 1024.0
        speech = each["results"]["speech"]
        assert speech.keys() == {"result", "confidence"}
        assert 0 <= speech["confidence"] <= 1
        assert each["results"]["channels"] == {
            "0": {"timestamp": i * 1024.0, "results": {"speech": speech}}
        }
    assert [each["results"]["speech"]["result"] for each in messages[1:count]] == ["speech"] * (
        count - 1
    )


def test_the_sample_for_files(server: Server, key: str, call: Samples, tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    file.write_bytes(wav_of(call, rate=16_000))
    welcome, *messages, notice, closed, error = run(
        TESTS / "deeptone_file.py", address(server), key, file
    )
    assert isinstance(welcome, dict)
    assert welcome["message_type"] == "connection"
    assert len(messages) == 7  # of 7.2 s, without a word that the file is over
    assert_plausible(messages, 7)
    assert isinstance(notice, dict)
    assert notice["message_type"] == "connection"
    assert "No sound came" in notice["message"]
    assert "code 1000" in str(closed)
    assert "takes 1 positional argument" in str(error)  # the sample's own, with clients of today


def test_the_sample_for_microphones(
    server: Server, key: str, call: Samples, tmp_path: Path
) -> None:
    file = tmp_path / "call.wav"
    file.write_bytes(wav_of(call, rate=16_000))
    welcome, *messages = run(TESTS / "deeptone_microphone.py", address(server), key, file, "9")
    assert isinstance(welcome, dict)
    assert welcome["message_type"] == "connection"
    assert len(messages) >= 8
    assert_plausible(messages, 6)


def test_the_program_of_the_page(server: Server, key: str, call: Samples, tmp_path: Path) -> None:
    page = (TESTS.parent / "docs/deeptone.md").read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (program,) = (each for each in programs if "import websocket" in each)
    (tmp_path / "call.raw").write_bytes(call.tobytes())
    program = program.replace("ws://127.0.0.1:8000", address(server)).replace("em_…", key)
    printed = list(run("-c", program, folder=tmp_path))
    assert [str(line).partition(" ")[0] for line in printed] == [str(1024.0 * i) for i in range(7)]


def test_the_sample_for_browsers(connect: Any, key: str, call: Samples) -> None:
    """Slices of a second, each a WAV file; the key in the address; from a page anywhere."""
    browser = connect(
        f"models=speech-rt&output_period=512&api_key={key}",
        key=None,
        origin="https://page.example",
    )
    for first in range(0, len(call), 16_000):
        slice_ = wav_of(call[first : first + 16_000], rate=16_000)
        browser.send(slice_, at_once=len(slice_))
    raw = connect("models=speech-rt&output_period=512")
    raw.send(call.tobytes(), at_once=999)  # which ends within a sample
    results = browser.results(14)
    assert results == raw.results(14)
    assert [each["timestamp"] for each in results] == [512.0 * i for i in range(14)]
    assert labels(results, "speech-rt")[3:] == ["speech"] * 11


@pytest.fixture(scope="module")
def heard(server: Server, key: str, talk: Samples) -> list[dict[str, Any]]:
    """What all models say of ``talk``."""
    query = "models=speech,speech-rt&models=gender,speaker-map&sample_rate=8000"
    query += "&include_raw_values=true&volume_threshold=0.003"
    with closing(Stream(server, query, key=key)) as stream:
        stream.read()
        stream.send(talk.tobytes())
        return stream.results(len(talk) * 1000 // RATE // 1024)


IRA, NOTHING, CARLO, IRA_AGAIN = slice(2, 5), slice(6, 9), slice(12, 15), slice(18, 21)


def test_speech_and_silence(heard: list[dict[str, Any]]) -> None:
    for model in ("speech", "speech-rt"):
        said = labels(heard, model)
        assert set(said[IRA] + said[CARLO] + said[IRA_AGAIN]) == {"speech"}
        assert said[NOTHING] == ["silence"] * 3


def test_gender(heard: list[dict[str, Any]]) -> None:
    said = labels(heard, "gender")
    ira, carlo = said[IRA] + said[IRA_AGAIN], said[CARLO]
    assert set(ira) == {"female"}
    assert set(carlo) <= {"male", "unknown"}
    assert said[NOTHING] == ["silence"] * 3


def test_silence_is_certain_and_nobody_speaks_in_it(heard: list[dict[str, Any]]) -> None:
    for each in heard[NOTHING]:
        for model in ("speech", "speech-rt", "gender"):
            assert each["results"][model] == {"result": "silence", "confidence": 1.0}
        assert each["results"]["speaker-map"] == {"speaker_top": "no_speech", "speaker_count": 0}


def tops(results: list[dict[str, Any]]) -> list[str]:
    return [each["results"]["speaker-map"]["speaker_top"] for each in results]


def test_people_are_told_apart(heard: list[dict[str, Any]]) -> None:
    said = tops(heard)
    assert said[IRA] == said[IRA_AGAIN] == ["speaker_1"] * 3
    assert said[CARLO] == ["speaker_2"] * 3
    assert {each["results"]["speaker-map"]["speaker_count"] for each in heard[CARLO]} == {1}


def test_raw_values(heard: list[dict[str, Any]]) -> None:
    for each in heard[IRA]:
        raw = each["raw"]
        assert raw["gender"].keys() == {"female", "male"}
        assert raw["speech"].keys() == raw["speech-rt"].keys() == {"speech", "music", "other"}
        for values in raw.values():
            assert sum(values.values()) == pytest.approx(1, abs=0.001)
        assert raw["gender"]["female"] > raw["gender"]["male"]


@pytest.fixture(scope="module")
def staff(server: Server, key: str, people: People) -> str:
    """A gallery of Ira and Carlo: its id."""
    with server.client(key) as http:
        gallery: str = http.post("/api/v1/galleries", json={"name": "staff"}).json()["id"]
        for name in ("ira", "carlo"):
            enrolled = http.post(
                f"/api/v1/galleries/{gallery}/enrolments",
                data={
                    "name": name.capitalize(),
                    "consent": json.dumps({"subject": name, "text": "You may recognise me."}),
                },
                files={"file": (f"{name}.wav", people.wav(name, 8))},
            )
            assert enrolled.status_code == 201, enrolled.text
    return gallery


def test_enrolled_people_have_names(connect: Any, staff: str, talk: Samples) -> None:
    stream = connect("models=speaker-map&sample_rate=8000&gallery=staff")
    stream.send(talk.tobytes())
    said = tops(stream.results(len(talk) * 1000 // RATE // 1024))
    assert set(said[IRA]) <= {"speaker_1", "Ira"}
    assert said[IRA_AGAIN] == ["Ira"] * 3
    assert said[CARLO][-1] == "Carlo"


def test_a_gallery_of_others_is_unknown(server: Server, staff: str) -> None:
    stranger = server.new_key("eve", (Scope.LIVE, Scope.GALLERIES))
    for gallery in (staff, "staff"):
        told = refused(server, f"models=speaker-map&gallery={gallery}", stranger)
        assert told == f"There is no gallery '{gallery}'."


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("models=emotions", "speech, speech-rt, gender, speaker-map"),
        ("models=speech&output_period=1000", "multiple of 64"),
        ("models=speech&sample_rate=4000", "8000 to 192000"),
        ("", "speech, speech-rt, gender, speaker-map"),
    ],
)
def test_what_cannot_be_asked(server: Server, key: str, query: str, told: str) -> None:
    assert told in refused(server, query, key)


def denied(server: Server, key: str | None, query: str = "models=speech") -> Mapping[str, Any]:
    """The body of the answer to a handshake, after its status."""
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        Stream(server, query, key=key)
    body = caught.value.resp_body
    assert body is not None
    return {"status": caught.value.status_code, **json.loads(body)}


def test_keys(server: Server) -> None:
    for key in (None, "em_wrong", "x" * 300):
        told = denied(server, key)
        assert (told["status"], told["message_type"]) == (401, "error")
        assert told["message"]
    assert denied(server, None, "models=speech&api_key=em_wrong")["status"] == 401
    other = server.new_key("ann", (Scope.JOBS,))
    told = denied(server, other)
    assert told["status"] == 403
    assert "'live'" in told["message"]


@pytest.mark.parametrize("payload", ["text", "a file with two channels"])
def test_what_is_no_sound(connect: Any, payload: str) -> None:
    stream = connect("models=speech")
    stream.send(bytes(4096))
    if payload == "text":
        stream.send_text("{}")
    else:
        stream.send(wav_of(np.zeros((100, 2), np.int16)))
    told = stream.read()
    assert told["message_type"] == "error"
    assert stream.end() == (1003, told["code"])


def test_more_sound_than_a_session_may_have(connect: Any) -> None:
    stream = connect("models=speech-rt&output_period=59968")
    stream.send(bytes(31 * 32_000), at_once=32_000)
    told = stream.read()
    while told["message_type"] == "results":
        told = stream.read()
    assert (told["message_type"], told["code"]) == ("error", "live.too_long")
    assert stream.end() == (1008, "live.too_long")


def test_more_streams_than_a_tenant_may_have(server: Server, connect: Any) -> None:
    busy = server.new_key("bob", (Scope.LIVE,))
    for _ in range(4):
        connect("models=speech", key=busy)
    with closing(Stream(server, "models=speech", key=busy)) as one_more:
        assert one_more.read()["code"] == "rate.limited"
        assert one_more.end() == (1013, "rate.limited")
    connect("models=speech")  # of another tenant


def test_a_page_in_place_of_a_stream(server: Server, key: str) -> None:
    with server.client(key) as http:
        answer = http.get("/stream?models=speech")
    assert answer.status_code == 426
    assert answer.json()["message_type"] == "error"


def test_who_leaves_takes_the_session_along(server: Server, connect: Any) -> None:
    stream = connect("models=speech")
    stream.send(bytes(32_000))
    stream.close()
    with server.client() as http:
        until(lambda: "earmark_live_sessions 0" in http.get("/metrics").text, what="no session")


def test_the_server_says_that_it_stops(server: Server, connect: Any) -> None:
    """The last one: the server is gone after it."""
    stream = connect("models=speech")
    stream.send(bytes(4096))
    server.process.terminate()
    told = stream.read()
    assert told["message_type"] == "connection"
    assert "shutting down" in told["message"]
    assert stream.end() == (1012, "shutting_down")
    assert server.process.wait(60) == 0

"""DeepAffects' real-time service: its own client, and what that client cannot show."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import numpy as np
import pytest

from deepaffects_client import Sdk
from earmark.dialects.deepaffects._realtime_pb2 import SegmentChunk, SegmentSpeaker
from earmark.service import Scope
from people import RATE, People, wav_of
from server import Server, running
from waiting import until

SERVICE = "/deepaffectsrealtime.DeepAffectsRealtime/"
STRANGER = "UserNotIdentified"

# What the vendor's page shows: a file in chunks of 30 s, and every answer printed.
PROGRAM = """
import json
from deepaffects.realtime.util import chunk_generator_from_file, get_deepaffects_client

client = get_deepaffects_client("{host}")
metadata = [
    ("apikey", "{key}"),
    ("speakerids", "june,ira"),
    ("encoding", "wav"),
    ("samplerate", "16000"),
    ("languagecode", "en-Us"),
]
answers = client.IdentifySpeaker({chunks}, 2000, metadata=metadata)
try:
    for answer in answers:
        print(json.dumps([answer.speaker_id, answer.start, answer.end,
                          answer.identification_score, answer.Error]))
except Exception as error:
    print(json.dumps({{"code": error.code().name, "details": error.details()}}))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_STANDING_CONSENT": "I agree that my voice is recognised.",
    }
    with running(tmp_path_factory.mktemp("realtime"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: Server, people: People) -> str:
    """A key of a tenant where June and Ira are enrolled, and Carlo is in part."""
    key = server.new_key("ann", (Scope.JOBS, Scope.GALLERIES, Scope.LIVE))
    with server.client(key) as client:
        for name, seconds, complete in (("june", 20, True), ("ira", 20, True), ("carlo", 9, False)):
            content = base64.b64encode(people.wav(name, seconds)).decode()
            told = client.post(
                "/audio/generic/api/v2/sync/diarization/enroll",
                params={"apikey": key},
                json={"content": content, "speakerId": name},
            ).json()
            assert told["enrollment_complete"] is complete
    return key


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


class Call:
    """A call whose chunks are sent one by one."""

    def __init__(
        self,
        channel: grpc.Channel,
        *metadata: tuple[str, str],
        method: str = "IdentifySpeaker",
    ) -> None:
        self._chunks: SimpleQueue[SegmentChunk | None] = SimpleQueue()
        identify = channel.stream_stream(
            SERVICE + method, SegmentChunk.SerializeToString, SegmentSpeaker.FromString
        )
        chunks = iter(self._chunks.get, None)
        self.answers: Any = identify(chunks, metadata=metadata, timeout=120)

    def send(self, sound: bytes | str, **fields: Any) -> None:
        content = sound if isinstance(sound, str) else base64.b64encode(sound).decode()
        self._chunks.put(SegmentChunk(content=content, encoding="wav", **fields))

    def end(self) -> None:
        self._chunks.put(None)

    def refusal(self) -> Any:
        """The error that the call ends with at once."""
        with pytest.raises(grpc.RpcError) as raised:
            next(self.answers)
        self.end()
        return raised.value


def printed(text: str) -> list[Any]:
    """What a program has printed, without what the vendor's package prints."""
    return [json.loads(line) for line in text.splitlines() if line[:1] in "[{"]


def test_the_program_of_the_vendor(
    server: Server, key: str, people: People, tmp_path: Path
) -> None:
    said = [people.samples("june", 12, part=1), people.samples("carlo", 12, part=1)]
    said.append(people.samples("june", 9.5, part=2))
    file = tmp_path / "meeting.wav"
    file.write_bytes(wav_of(np.concatenate(said)))
    program = PROGRAM.format(
        host=server.grpc, key=key, chunks=f"chunk_generator_from_file({str(file)!r})"
    )
    answers = printed(Sdk(server.url, key).run_as_it_is(program, folder=tmp_path))
    for speaker, start, end, score, error in answers:
        assert error == ""
        assert 0 <= start < end <= 33.5
        assert (end <= 30) or (start >= 30)  # chunk by chunk
        assert score > 0.9 if speaker == "june" else (speaker, score) == (STRANGER, 0)
        middle = (start + end) / 2
        if not 11 < middle < 13 and not 23 < middle < 25:
            assert (speaker == "june") == (not 12 < middle < 24)
    assert [*dict.fromkeys(each[0] for each in answers)] == ["june", STRANGER]
    assert answers[-1][1] >= 30


def test_a_recording_whose_rest_the_client_refuses(
    server: Server, key: str, people: People, tmp_path: Path
) -> None:
    mono = np.repeat(people.samples("june", 13, part=1), 48_000 // RATE)
    file = tmp_path / "stereo.wav"
    file.write_bytes(wav_of(np.column_stack([mono, mono]), rate=48_000))
    program = PROGRAM.format(
        host=server.grpc, key=key, chunks=f"chunk_generator_from_file({str(file)!r}, 6000)"
    )
    answers = printed(Sdk(server.url, key).run_as_it_is(program, folder=tmp_path))
    assert answers[0][0] == "june"
    assert answers[-1] == {"code": "UNKNOWN", "details": "Exception iterating requests!"}


def test_chunks_are_answered_one_by_one(key: str, channel: grpc.Channel, people: People) -> None:
    call = Call(channel, ("apikey", key), ("speakerids", "june"), ("verbose", "True"))
    call.send("no base64!", id=1)
    answer = next(call.answers)
    assert (answer.id, answer.speaker_id) == (1, "")
    assert answer.Error.startswith("The content of the chunk is no base64")

    sound = people.samples("june", 8, part=1)
    call.send(wav_of(sound[: 6 * RATE]), id=2)
    answer = next(call.answers)
    assert (answer.id, answer.speaker_id, answer.Error) == (2, "june", "")
    assert 0 <= answer.start < answer.end <= 6
    assert 0.9 < answer.identification_score <= 1

    call.send(b"These are only words. " * 500, id=3, segmentOffset=6.0, duration=5.0)
    for answer in call.answers:
        if answer.id == 3:
            break
    assert (answer.start, answer.end) == (6.0, 11.0)
    assert answer.Error.endswith(".")

    # An hour later, too short to know anybody by: but who that is was known before.
    call.send(wav_of(sound[6 * RATE :]), id=4, segmentOffset=3600.0)
    answer = next(call.answers)
    assert (answer.id, answer.speaker_id) == (4, "june")
    assert 3600 <= answer.start < answer.end <= 3602
    call.end()
    assert all(each.id == 4 for each in call.answers)
    assert call.answers.code() is grpc.StatusCode.OK


def test_a_call_that_is_canceled_leaves_no_session(
    server: Server, key: str, channel: grpc.Channel
) -> None:
    with server.client(key) as client:

        def sessions() -> list[Any]:
            items: list[Any] = client.get("/api/v1/live").json()["items"]
            return items

        call = Call(channel, ("apikey", key), ("speakerids", "june"))
        (session,) = until(sessions, what="the session")
        assert session["dialect"] == "deepaffects"
        call.answers.cancel()
        until(lambda: not sessions(), what="the end of the session")
        call.end()


@pytest.mark.parametrize(
    ("metadata", "code", "words"),
    [
        ([], "UNAUTHENTICATED", "Invalid ApiKey"),
        ([("apikey", "em_wrong")], "UNAUTHENTICATED", "Invalid ApiKey"),
        ([("apikey", "{jobs}")], "PERMISSION_DENIED", "'live'"),
        ([("apikey", "{key}")], "INVALID_ARGUMENT", "metadata speakerids"),
        ([("apikey", "{key}"), ("speakerids", "a-b")], "INVALID_ARGUMENT", "'a-b'"),
        (
            [("apikey", "{key}"), ("speakerids", "june,nobody")],
            "INVALID_ARGUMENT",
            "speakerId 'nobody' is not enrolled",
        ),
        (
            [("apikey", "{key}"), ("speakerids", "june,carlo")],
            "FAILED_PRECONDITION",
            "speakerId 'carlo' is not complete",
        ),
    ],
    ids=["no-key", "bad-key", "scope", "nobody", "name", "unknown", "incomplete"],
)
def test_what_is_refused(
    server: Server,
    key: str,
    channel: grpc.Channel,
    metadata: list[tuple[str, str]],
    code: str,
    words: str,
) -> None:
    keys = {"key": key, "jobs": server.new_key("ann") if metadata else ""}
    error = Call(channel, *((name, value.format(**keys)) for name, value in metadata)).refusal()
    assert error.code().name == code
    assert words in error.details()


@pytest.mark.parametrize("method", ["IdentifyEmotion", "DiarizeEmotion"])
def test_emotions_are_not_offered(channel: grpc.Channel, method: str) -> None:
    error = Call(channel, method=method).refusal()
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert error.details() == (
        f"This server does not offer {method}: it tells no emotions. It offers IdentifySpeaker."
    )

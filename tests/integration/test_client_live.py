"""Live sessions of the Python client, against a running server, through connections that break."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import earmark
from bad_line import BadLine
from earmark.errors import ApiError, ServerUnreachable
from server import Server, running
from waiting import until

Event = Mapping[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("client")
    settings = {"EARMARK_MODELS_DIR": str(models_dir)}
    with running(folder, "--no-worker", settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def pieces(sample_wav: Path) -> list[bytes]:
    """10 s of a telephone call, PCM16 at 16 kHz, in pieces."""
    with wave.open(str(sample_wav)) as recording:
        sound = bytes(recording.readframes(10 * 16_000))
    return [sound[at : at + 5001] for at in range(0, len(sound), 5001)]


@pytest.fixture(scope="module")
def straight(server: Server, pieces: list[bytes]) -> list[Event]:
    """What a session without any trouble tells."""
    with earmark.Client(server.url, server.key) as client:
        return list(client.live(pieces))


def of_the_sound(events: Iterable[Event]) -> list[Event]:
    """What does not depend on the moment."""
    return [
        {name: value for name, value in event.items() if name != "received_bytes"}
        for event in events
        if event["type"] != "stats"
    ]


def test_events_come_to_the_end(straight: list[Event]) -> None:
    assert [event["number"] for event in straight] == list(range(1, len(straight) + 1))
    assert {"speech_started", "turn"} <= {event["type"] for event in straight}
    assert straight[-1]["type"] == "ended"
    assert straight[-1]["reason"] == "finished"
    assert straight[-1]["at"] == 10.0


def test_a_connection_that_breaks_again_and_again_changes_nothing(
    server: Server, pieces: list[bytes], straight: list[Event]
) -> None:
    async def spoken() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def follow(line: BadLine) -> list[Event]:
        async with earmark.AsyncClient(line.url, server.key) as client:
            return [event async for event in client.live(spoken())]

    with BadLine(server, cuts=[100, 60_000, 90_001, 100_000]) as line:
        found = asyncio.run(follow(line))
        assert line.connections >= 4
    assert of_the_sound(found) == of_the_sound(straight)


def test_what_the_server_refuses_is_raised(server: Server, pieces: list[bytes]) -> None:
    with (
        earmark.Client(server.url, "em_wrong") as stranger,
        pytest.raises(ApiError, match="mistyped") as refused,
    ):
        next(stranger.live(pieces))
    assert (refused.value.code, refused.value.status) == ("key.unknown", 401)
    with earmark.Client(server.url, server.key) as client:
        with pytest.raises(ApiError, match="no gallery 'g'") as refused:
            next(client.live(pieces, gallery_ids=["g"]))
        assert (refused.value.code, refused.value.status) == ("resource.not_found", 1008)
    with (
        earmark.Client("http://127.0.0.1:9", patience_s=0) as nobody,
        pytest.raises(ServerUnreachable),
    ):
        next(nobody.live(pieces))


def test_a_source_that_fails_ends_the_session_and_is_heard_of(
    server: Server, pieces: list[bytes]
) -> None:
    def failing() -> Iterator[bytes]:
        yield from pieces[:5]
        raise OSError("the microphone is gone")

    with earmark.Client(server.url, server.key) as client:
        with pytest.raises(OSError, match="the microphone is gone"):
            list(client.live(failing()))
        watched = client.live(pieces)
        next(watched)
        watched.close()  # type: ignore[attr-defined] # it is a generator
    with server.client() as http:
        until(lambda: not http.get("/api/v1/live").json()["items"], what="both sessions to end")

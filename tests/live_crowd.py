"""A crowd of live clients, in one process: some go steadily, others come, die, flood and stall."""

from __future__ import annotations

import asyncio
import json
import random
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
import websockets

from people import RATE
from server import Server

__all__ = ["SETTINGS", "Crowd", "Steady"]

SETTINGS = {"EARMARK_LIVE_IDLE_S": "5", "EARMARK_LIVE_UNREAD_EVENTS": "50"}
"""Of a server for a crowd: who is silent, or does not read, is ended soon."""

_CHUNK_S = 0.1
_CHUNK = round(_CHUNK_S * RATE) * 2
_START = {"type": "start", "sample_rate": RATE, "resumable": False, "stats_s": 5.0}


@dataclass(kw_only=True)
class Steady:
    """A client that sends one person's speech at its own pace, to the end.

    ``names`` counts who it was told to be; ``latencies`` (seconds) how long after the sound that
    each answer is about was sent.
    """

    person: str
    names: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    ended: str | None = None
    close_code: int | None = None

    def hear(self, told: Mapping[str, Any], sent: Sequence[float]) -> None:
        match told["type"]:
            case "speaker_identified" if told["identity"] is not None:
                self.names[told["identity"]["name"]] += 1
            case "turn" | "speech_started" | "speech_ended" if sent:
                last = min(len(sent), max(1, round(told["at"] / _CHUNK_S + 0.499))) - 1
                self.latencies.append(time.perf_counter() - sent[last])
            case "ended":
                self.ended = told["reason"]


class Crowd:
    """``steady`` clients as long as the block lasts, with troublemakers among them.

    ``voices`` are raw PCM16 samples at 8 kHz by person, ``gallery`` the id of the gallery in which
    all of them are enrolled.
    """

    def __init__(
        self,
        server: Server,
        voices: Mapping[str, bytes],
        gallery: str,
        *,
        stall_s: float,
        seed: int = 1,
    ) -> None:
        self._server = server
        self._voices = voices
        self._gallery = gallery
        self._stall_s = stall_s
        self._random = random.Random(seed)
        self.steady: list[Steady] = []
        self.troubles: Counter[str] = Counter()
        self.memory_mb: list[tuple[float, float]] = []

    async def run(self, *, streams: int, seconds: float, trouble_every_s: float) -> None:
        """Let them all in, and end the server while they talk, with SIGTERM."""
        people = list(self._voices)
        self.steady = [Steady(person=people[i % len(people)]) for i in range(streams)]
        over = asyncio.Event()
        async with asyncio.TaskGroup() as crowd:
            for number, each in enumerate(self.steady):
                crowd.create_task(self._go_steadily(each, number))
            crowd.create_task(self._watch_memory(over))
            crowd.create_task(self._make_trouble(over, trouble_every_s))
            await asyncio.sleep(seconds)  # how long it is to last, which nothing else tells
            over.set()
            self._server.process.terminate()

    async def _go_steadily(self, each: Steady, number: int) -> None:
        sound, sent = self._voices[each.person], list[float]()
        start = {**_START, "gallery_ids": [self._gallery]}
        async with self._connected(start) as socket:
            reading = asyncio.create_task(self._read(socket, each, sent))
            begun = time.perf_counter() + _CHUNK_S * number / len(self.steady)
            while not reading.done():
                due = begun + (len(sent) + 1) * _CHUNK_S
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                first = len(sent) * _CHUNK % (len(sound) - _CHUNK) // 2 * 2
                sent.append(time.perf_counter())
                try:
                    await socket.send(sound[first : first + _CHUNK])
                except websockets.ConnectionClosed:
                    break
            await reading
            each.close_code = socket.close_code

    async def _read(
        self, socket: websockets.ClientConnection, each: Steady, sent: Sequence[float]
    ) -> None:
        with suppress(websockets.ConnectionClosed):  # with a code that says why
            async for message in socket:
                each.hear(json.loads(message), sent)

    async def _make_trouble(self, over: asyncio.Event, every_s: float) -> None:
        kinds = (self._come_and_go, self._die, self._flood, self._stall, self._talk_nonsense)
        number = 0
        async with asyncio.TaskGroup() as troubles:
            while not over.is_set():
                kind = kinds[number % len(kinds)]
                troubles.create_task(self._trouble(kind))
                number += 1
                try:
                    await asyncio.wait_for(over.wait(), every_s)
                except TimeoutError:
                    continue

    async def _trouble(self, kind: Any) -> None:
        try:
            await kind()
        except (websockets.ConnectionClosed, websockets.InvalidHandshake, OSError):
            self.troubles["cut off"] += 1  # by the server's end, or for what they did
        self.troubles[kind.__name__.strip("_")] += 1

    async def _come_and_go(self) -> None:
        async with self._connected(_START) as socket:
            sound = self._voices[self._random.choice(list(self._voices))]
            for first in range(0, 5 * RATE * 2, _CHUNK):
                await socket.send(sound[first : first + _CHUNK])
            await socket.send(json.dumps({"type": "finish"}))
            async for message in socket:
                if json.loads(message)["type"] == "ended":
                    self.troubles["finished"] += 1

    async def _die(self) -> None:
        """In the middle of a frame that says it is longer."""
        async with self._connected(_START) as socket:
            await socket.send(bytes(RATE))
            frame = struct.pack("!BBH4s", 0x82, 0x80 | 126, 40_000, b"mask") + bytes(1000)
            socket.transport.write(frame)
            socket.transport.abort()

    async def _flood(self) -> None:
        """Two minutes of sound as fast as they are taken."""
        async with self._connected(_START) as socket:
            sound = self._voices[self._random.choice(list(self._voices))]
            reading = asyncio.create_task(self._drain(socket))
            for _ in range(4):
                for first in range(0, min(len(sound), 30 * RATE * 2), 1 << 16):
                    await socket.send(sound[first : first + (1 << 16)])
            await socket.send(json.dumps({"type": "finish"}))
            await reading

    async def _stall(self) -> None:
        """Sends, and reads nothing that comes, the end of the session neither."""
        async with self._connected(_START, max_queue=1) as socket:
            sound = next(iter(self._voices.values()))
            for first in range(0, 10 * RATE * 2, 1 << 14):
                await socket.send(sound[first : first + (1 << 14)])
            await asyncio.sleep(self._stall_s)
            socket.transport.abort()

    async def _talk_nonsense(self) -> None:
        async with self._connected(_START) as socket:
            await socket.send("{" + "x" * 1000)
            await self._drain(socket)

    async def _drain(self, socket: websockets.ClientConnection) -> None:
        async for _ in socket:
            pass

    async def _watch_memory(self, over: asyncio.Event) -> None:
        process, begun = psutil.Process(self._server.process.pid), time.perf_counter()
        while not over.is_set():
            resident = process.memory_info().rss / 1e6
            self.memory_mb.append((time.perf_counter() - begun, resident))
            try:
                await asyncio.wait_for(over.wait(), 1.0)
            except TimeoutError:
                continue

    @asynccontextmanager
    async def _connected(
        self, start: Mapping[str, Any], *, max_queue: int = 1024
    ) -> AsyncIterator[websockets.ClientConnection]:
        """A connection that has said ``start`` and been told ``started``."""
        async with websockets.connect(
            self._server.url.replace("http", "ws", 1) + "/api/v1/live",
            additional_headers=self._server.headers,
            compression=None,
            max_queue=max_queue,
            open_timeout=60,
            ping_interval=None,
            close_timeout=5,
        ) as socket:
            await socket.send(json.dumps(start))
            told = json.loads(await socket.recv())
            assert told["type"] == "started", told
            yield socket

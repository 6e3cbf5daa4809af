"""Many live clients at once, in a process of their own: what they send, and when answers come.

A runner for `Worker`: setup ``{"url", "key", "sounds"}``, then jobs ``{"streams", "seconds",
"start"}``. Each client sends real speech, PCM16 at 16 kHz, a tenth of a second at a time at the
pace of real time, from a place of its own in one of the recordings.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websockets

__all__ = ["main"]

_RATE = 16_000
_CHUNK_S = 0.1
_CHUNK_BYTES = int(_CHUNK_S * _RATE) * 2
_APART = 7919  # chunks from one client's place in the recordings to the next one's
_STEP_S = 10.0
_PATIENCE_S = 120.0


@dataclass(kw_only=True, slots=True)
class _Client:
    """One stream: ``sent`` says when the end of each chunk was sent (seconds of a clock)."""

    sent: list[float] = field(default_factory=list)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    late: float = 0.0  # how far behind its own pace it ever was
    drained_s: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)
    refused: str | None = None

    def hear(self, told: Mapping[str, Any], now: float) -> None:
        """Note an answer: how long ago the sound that it is about was sent."""
        kind = str(told.get("type"))
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        at = told.get("at")
        if at is None or kind in ("stats", "ended"):
            return
        last = min(len(self.sent), max(1, round(float(at) / _CHUNK_S + 0.499))) - 1
        self.latencies.append((float(at), now - self.sent[last]))


async def _stream(client: _Client, number: int, setup: Mapping[str, Any], job: Any) -> None:
    sound: bytes = setup["pcm"]
    total = len(sound) // _CHUNK_BYTES
    place = number * _APART % total
    headers = {"Authorization": f"Bearer {setup['key']}"}
    address = setup["url"].replace("http", "ws", 1) + "/api/v1/live"
    async with websockets.connect(
        address, additional_headers=headers, max_queue=None, compression=None
    ) as socket:
        await socket.send(json.dumps({"type": "start", **job["start"]}))
        told = json.loads(await socket.recv())
        if told["type"] != "started":
            client.refused = str(told)
            return
        reading = asyncio.create_task(_read(socket, client))
        clock = time.perf_counter
        begun = clock() + _STEP_S * number / job["streams"]
        for chunk in range(round(job["seconds"] / _CHUNK_S)):
            due = begun + (chunk + 1) * _CHUNK_S
            await asyncio.sleep(max(0.0, due - clock()))
            first = (place + chunk) % total * _CHUNK_BYTES
            client.late = max(client.late, clock() - due)
            client.sent.append(clock())
            await socket.send(sound[first : first + _CHUNK_BYTES])
        over = clock()
        await socket.send(json.dumps({"type": "finish"}))
        await asyncio.wait_for(reading, _PATIENCE_S)
        client.drained_s = clock() - over


async def _read(socket: websockets.ClientConnection, client: _Client) -> None:
    async for message in socket:
        told = json.loads(message)
        client.hear(told, time.perf_counter())
        if told["type"] == "ended":
            return


async def _run(setup: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    clients = [_Client() for _ in range(job["streams"])]
    before, begun = _cpu_s(), time.perf_counter()
    await asyncio.gather(*(_stream(each, i, setup, job) for i, each in enumerate(clients)))
    took = time.perf_counter() - begun
    return {
        "wall_s": took,
        "cpu_s": _cpu_s() - before,
        "late_s": max(each.late for each in clients),
        "drained_s": max(each.drained_s for each in clients),
        "refused": next((each.refused for each in clients if each.refused), None),
        "latencies": [each.latencies for each in clients],
        "kinds": [each.kinds for each in clients],
    }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Serve whoever started this, a line of JSON at a time."""
    setup = json.loads(sys.stdin.readline())
    setup["pcm"] = b"".join(Path(sound).read_bytes() for sound in setup["sounds"])
    print("{}", flush=True)
    for line in sys.stdin:
        print(json.dumps(asyncio.run(_run(setup, json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()

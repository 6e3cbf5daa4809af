"""How many live streams a machine follows, and how soon each is answered."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.audio import open_audio
from earmark.bench._dataset import pcm16
from earmark.bench._diarization import OnStep, silence
from earmark.bench._machine import Machine, this_machine
from earmark.bench._service_processes import ProcessTree
from earmark.bench._service_report import percentile
from earmark.bench._service_server import Served, serving
from earmark.bench._worker import Worker
from earmark.errors import EmptyAudio, InvalidOption, PeerFailed
from earmark.models import ModelStore
from earmark.settings import Settings

__all__ = ["ASKED", "LiveLoad", "LiveLoadReport", "bench_live"]

ASKED: Mapping[str, Mapping[str, Any]] = {
    "turns": {},
    "traits": {"traits": ["speech", "gender"]},
}
"""What streams may be asked beside each other: who speaks when, and what kind of sound as well."""

_WARM_UP_S = 5.0
_ANSWERED_S = 1.0  # the 95th percentile of answers within this, of the last ones too
_LONGEST_S = 1800.0  # of sound that clients send; then it is repeated


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveLoad:
    """``streams`` clients at once, each ``seconds`` long at the pace of real time.

    An answer's latency is from sending the last of the sound that it is about until it came:
    percentiles in ``latency_s`` (50, 95, 99, 100). ``last_s`` is the 95th of answers about the
    last fifth of the sound alone, which come late where a backlog grows. ``drained_s`` is how long
    after the last sound the slowest stream was over, which takes a final look at all of it. CPU
    seconds per second of the run: ``server_cpu`` of the server's processes, ``clients_cpu`` of the
    clients'; ``memory_mb`` is the server's peak; both are unknown elsewhere than on Linux.
    ``late_s`` is how far any client fell behind its own pace.
    """

    streams: int
    seconds: float
    answers: int
    latency_s: Mapping[int, float]
    last_s: float
    drained_s: float
    server_cpu: float | None
    memory_mb: float | None
    clients_cpu: float
    late_s: float

    @property
    def kept_up(self) -> bool:
        """Whether the answers came in time, and no backlog grew."""
        return max(self.latency_s[95], self.last_s) < _ANSWERED_S

    @property
    def cpu_per_stream(self) -> float | None:
        """CPU seconds of the server per second of one stream."""
        return None if self.server_cpu is None else self.server_cpu / self.streams


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveLoadReport:
    """A curve: the same with more and more streams."""

    asked: str
    files: tuple[str, ...]
    machine: Machine
    loads: tuple[LiveLoad, ...]

    @property
    def most(self) -> int:
        """Most streams that were answered in time; 0: none were."""
        return max((load.streams for load in self.loads if load.kept_up), default=0)


def bench_live(
    files: Sequence[Path] = (),
    *,
    settings: Settings,
    streams: Sequence[int] = (1, 10, 20, 30, 40, 50, 60, 80),
    seconds: float = 60.0,
    asked: str = "turns",
    on_step: OnStep | None = None,
) -> LiveLoadReport:
    """Start a server, and let ever more clients talk to it at once until it does not keep up.

    ``files`` are recordings of conversations, by default the sample recording. Clients run in one
    process beside the server and take from it what they cost, which is told.

    Raises:
        InvalidOption: numbers below 1, or ``asked`` is none of `ASKED`.
        ServerUnreachable: the server does not start.
        PeerFailed: the clients fail, or are refused.
        AudioError: a file cannot be read.
    """
    if asked not in ASKED:
        raise InvalidOption(f"Streams are asked for {' or '.join(ASKED)}, not {asked!r}.")
    if not streams or min(streams) < 1 or seconds <= 0:
        raise InvalidOption("Streams and seconds have to be 1 or more.")
    say = on_step or silence
    sources = tuple(files) or (ModelStore(settings).path("sample-recording"),)
    loads = list[LiveLoad]()
    with tempfile.TemporaryDirectory(prefix="earmark-") as temporary:
        folder = Path(temporary)
        say("reading the recordings")
        sound = _sound(sources, folder / "sound.pcm")
        say("starting the server")
        with (
            serving(settings, folder, max_upload_bytes=1 << 20) as served,
            _clients(served, sound) as clients,
        ):
            say("warming up")
            _load(served, clients, 1, _WARM_UP_S, asked)
            for count in streams:
                say(f"{count} streams of {seconds:g} s")
                loads.append(_load(served, clients, count, seconds, asked))
                if not loads[-1].kept_up:
                    break
    return LiveLoadReport(
        asked=asked,
        files=tuple(source.name for source in sources),
        machine=this_machine(settings),
        loads=tuple(loads),
    )


def _sound(sources: Sequence[Path], target: Path) -> Path:
    """The recordings one after the other, raw PCM16 at 16 kHz."""
    written = 0
    with target.open("wb") as file:
        for source in sources:
            with open_audio(source) as audio:
                for block in audio:
                    written += file.write(pcm16(block[0])) // 2
            if written >= _LONGEST_S * 16_000:
                break
    if written < 16_000:
        raise EmptyAudio("The recordings have less than a second of sound: name longer ones.")
    return target


@contextmanager
def _clients(served: Served, sound: Path) -> Iterator[Worker]:
    with Worker(
        name="the clients",
        command=[sys.executable, "-m", "earmark.bench._live_clients"],
        environment=dict(os.environ),
        setup={"url": served.url, "key": served.key, "sounds": [str(sound)]},
    ) as worker:
        yield worker


def _load(served: Served, clients: Worker, streams: int, seconds: float, asked: str) -> LiveLoad:
    tree = ProcessTree(served.pid)
    before = tree.cpu_s()
    with tree.memory_line() as memory:
        found = clients.ask({"streams": streams, "seconds": seconds, "start": ASKED[asked]})
    after = tree.cpu_s()
    if found["refused"]:
        raise PeerFailed(f"The server refused a stream: {found['refused']}")
    answers = [(at, latency) for own in found["latencies"] for at, latency in own]
    if not answers:
        raise PeerFailed("No answer came: the recordings have no speech.")
    latencies = [latency for _, latency in answers]
    last = [latency for at, latency in answers if at > 0.8 * seconds]
    return LiveLoad(
        streams=streams,
        seconds=seconds,
        answers=len(latencies),
        latency_s={at: percentile(latencies, at) for at in (50, 95, 99, 100)},
        last_s=percentile(last or latencies, 95),
        drained_s=found["drained_s"],
        server_cpu=None if before is None or after is None else (after - before) / found["wall_s"],
        memory_mb=None if memory is None else memory.peak_mb,
        clients_cpu=found["cpu_s"] / found["wall_s"],
        late_s=found["late_s"],
    )

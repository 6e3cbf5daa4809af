"""Many live clients at once, not all of them well-behaved: nobody suffers for another."""

from __future__ import annotations

import asyncio
import os
import wave
from io import BytesIO
from pathlib import Path
from statistics import median

import pytest

from earmark import Client
from live_crowd import SETTINGS, Crowd
from people import PEOPLE, People
from server import Server, running


def _voices(people: People, seconds: float) -> dict[str, bytes]:
    """What everybody says, other than they were enrolled with."""
    found = {}
    for person in PEOPLE:
        with wave.open(BytesIO(people.wav(person, seconds, part=1))) as said:
            found[person] = said.readframes(said.getnframes())
    return found


def _gallery(server: Server, people: People, folder: Path) -> str:
    """The id of a gallery with everybody in it."""
    with Client(server.url, server.key) as client:
        gallery = client.create_gallery("crowd")
        for person in PEOPLE:
            said = folder / f"{person}.wav"
            said.write_bytes(people.wav(person, 12.0))
            gallery.enroll(person, said, consent="Yes.")
    return gallery.id


def _run(
    folder: Path, people: People, *, streams: int, seconds: float, trouble_every_s: float
) -> Crowd:
    with running(folder, settings=SETTINGS) as server:
        voices, gallery = _voices(people, 40.0), _gallery(server, people, folder)
        crowd = Crowd(server, voices, gallery, stall_s=min(30.0, seconds / 3))
        asyncio.run(crowd.run(streams=streams, seconds=seconds, trouble_every_s=trouble_every_s))
        assert server.process.wait(60) == 0
        assert "Traceback" not in server.log
    return crowd


def _check(crowd: Crowd) -> None:
    for each in crowd.steady:
        assert set(each.names) == {each.person}  # found, and never taken for anybody else
        assert each.ended == "shutting_down"
        assert each.close_code == 1012
    assert {"come_and_go", "die", "flood", "stall", "talk_nonsense"} <= set(crowd.troubles)
    assert crowd.troubles["finished"] > 0


def test_clients_that_come_die_flood_and_stall_disturb_nobody(
    tmp_path: Path, people: People, models_dir: Path
) -> None:
    _check(_run(tmp_path, people, streams=4, seconds=9.0, trouble_every_s=1.0))


@pytest.mark.slow
def test_half_an_hour_at_four_fifths_of_what_a_machine_follows(
    tmp_path: Path, people: People, models_dir: Path
) -> None:
    """EARMARK_SOAK_STREAMS is what is followed (see `earmark bench live`), four fifths of it."""
    streams = int(os.environ.get("EARMARK_SOAK_STREAMS", "32"))
    seconds = float(os.environ.get("EARMARK_SOAK_S", "1800"))
    crowd = _run(tmp_path, people, streams=streams, seconds=seconds, trouble_every_s=5.0)
    _check(crowd)
    latencies = sorted(latency for each in crowd.steady for latency in each.latencies)
    early = median(mb for at, mb in crowd.memory_mb if seconds / 6 <= at < seconds / 3)
    late = median(mb for at, mb in crowd.memory_mb if at >= seconds * 5 / 6)
    print(
        f"{streams} streams, {seconds:g} s: p95 {latencies[int(0.95 * len(latencies))]:.2f} s,"
        f" {early:.0f} MB then, {late:.0f} MB in the end; {dict(crowd.troubles)}"
    )
    assert late <= 1.05 * early

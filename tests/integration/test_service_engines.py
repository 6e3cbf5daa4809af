"""Engine processes: what they answer, and what becomes of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psutil
import pytest

from earmark.diarization import Diarization, SpeechActivity, diarize
from earmark.errors import Unavailable
from earmark.service import JobKind, JobOptions, _engine, _engine_process
from earmark.service._engine import Analysed, AnalysisFailed, Engine, EngineDied, EngineStopped
from earmark.service._engines import Engines
from earmark.service._messages import MessageSocket
from earmark.settings import Settings
from waiting import until
from workers import engines_of, sound


@pytest.fixture
def engine(models_dir: Path) -> Iterator[Engine]:
    made = Engine(Settings(models_dir=models_dir, offline=True), threads=2)
    made.start()
    yield made
    made.close()


def run(engine: Engine, path: Path, **options: object) -> Analysed:
    kind = JobKind(str(options.pop("kind", JobKind.DIARIZE)))
    with path.open("rb") as file:
        return engine.run(
            file,
            kind=kind,
            options=JobOptions(**options),  # type: ignore[arg-type]
            name="Monday/call.wav",
            on_progress=lambda _: None,
        )


def test_the_answer_is_the_library_s(engine: Engine, sample_wav: Path) -> None:
    answer = run(engine, sample_wav)
    made = Diarization.from_json(answer.document.decode())
    assert made.turns == diarize(sample_wav).turns
    assert made.uri == "call"
    assert not made.voiceprints
    assert made.confidence is None
    assert answer.audio_s == 30.0


def test_options_reach_the_engine(engine: Engine, sample_wav: Path) -> None:
    answer = run(engine, sample_wav, speakers=1, end=10.0, frame_confidence=True, fast=True)
    made = Diarization.from_json(answer.document.decode())
    assert (len(made.speakers), made.duration) == (1, 10.0)
    assert made.confidence is not None


def test_voice_activity(engine: Engine, sample_wav: Path) -> None:
    answer = run(engine, sample_wav, kind=JobKind.VOICE_ACTIVITY)
    assert SpeechActivity.from_json(answer.document.decode()).duration == 30.0


def test_an_error_keeps_its_code_and_the_engine_goes_on(
    engine: Engine, sample_wav: Path, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("this is no sound")
    with pytest.raises(AnalysisFailed) as failed:
        run(engine, tmp_path / "text")
    assert (failed.value.error.kind, failed.value.error.code) == ("invalid", "audio.unsupported")
    assert "call.wav" in failed.value.error.message
    pid = engine.pid
    assert run(engine, sample_wav).audio_s == 30.0
    assert engine.pid == pid


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSEGV])
def test_a_death_is_noticed_and_the_engine_replaced(
    engine: Engine, sample_wav: Path, tmp_path: Path, by: signal.Signals
) -> None:
    engine.wait()
    (tmp_path / "long.wav").write_bytes(sound(sample_wav, 600))

    def kill(percent: int) -> None:
        if percent > 5 and engine.pid:
            os.kill(engine.pid, by)

    with (tmp_path / "long.wav").open("rb") as file, pytest.raises(EngineDied, match=by.name):
        engine.run(file, kind=JobKind.DIARIZE, options=JobOptions(), name=None, on_progress=kill)
    engine.start()
    assert run(engine, sample_wav).audio_s == 30.0


def test_stop_ends_what_it_does_and_all_its_processes(
    engine: Engine, sample_wav: Path, tmp_path: Path
) -> None:
    engine.wait()
    (tmp_path / "long.wav").write_bytes(sound(sample_wav, 600))
    family: list[psutil.Process] = []

    def stop(_: int) -> None:
        assert engine.pid is not None
        process = psutil.Process(engine.pid)
        family[:] = [process, *process.children(recursive=True)]
        engine.stop()

    with (tmp_path / "long.wav").open("rb") as file, pytest.raises(EngineStopped):
        engine.run(file, kind=JobKind.DIARIZE, options=JobOptions(), name=None, on_progress=stop)
    assert len(family) >= 2, "the decoder was to be a process of its own"
    assert not psutil.wait_procs(family, timeout=10)[1]
    engine.start()
    assert run(engine, sample_wav).audio_s == 30.0


def test_a_request_to_end_is_for_the_worker_alone(engine: Engine, sample_wav: Path) -> None:
    engine.wait()
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGTERM)
    assert run(engine, sample_wav).audio_s == 30.0


def test_an_engine_sees_no_secret(monkeypatch: pytest.MonkeyPatch, models_dir: Path) -> None:
    monkeypatch.setenv("EARMARK_SECRET_KEY", "s" * 32)
    monkeypatch.setenv("EARMARK_DATABASE_URL", "postgresql://me:secret@host/db")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    engine = Engine(Settings(models_dir=models_dir, offline=True), threads=1)
    try:
        engine.start()
        engine.wait()
        seen = psutil.Process(engine.pid).environ()
    finally:
        engine.close()
    assert "secret" not in json.dumps(seen).lower()
    assert not [name for name in seen if name.startswith("EARMARK_")]


def test_models_that_are_missing_keep_the_engines_from_starting(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="engine"):
        Engines(Settings(models_dir=tmp_path, offline=True, worker_slots=2)).start()
    assert not engines_of(os.getpid())


def test_an_engine_ends_with_its_worker(models_dir: Path) -> None:
    program = """
import sys
from pathlib import Path
from earmark.service._engines import Engines
from earmark.settings import Settings
Engines(Settings(models_dir=Path(sys.argv[1]), offline=True, worker_slots=2)).start()
print("ready", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(models_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        # A process that was forked and has not become an engine yet is not known as one.
        until(lambda: len(engines_of(worker.pid)) == 2, what="two engines")
        engines = engines_of(worker.pid)
        worker.kill()
    assert not psutil.wait_procs(engines, timeout=10)[1]


def test_engines_share_the_cores(models_dir: Path, sample_wav: Path) -> None:
    """Two at once and then one alone come to the same answers."""
    engines = Engines(Settings(models_dir=models_dir, offline=True, worker_slots=2, threads=2))
    engines.start()
    answers: list[bytes] = []
    try:
        pair = [engines.take(Event()), engines.take(Event())]
        assert engines.idle == 0
        with ThreadPoolExecutor() as pool:
            answers += pool.map(lambda engine: run(engine, sample_wav).document, pair)
        engines.give_back(pair[0])
        answers.append(run(pair[1], sample_wav).document)
        engines.give_back(pair[1])
        until(lambda: engines.idle == 2)
    finally:
        engines.close()
    assert len(answers) == 3
    assert len(set(answers)) == 1


def test_jobs_whose_recordings_came_late_take_turns_with_the_others(models_dir: Path) -> None:
    engines = Engines(Settings(models_dir=models_dir, offline=True, worker_slots=1, threads=1))
    order: list[bool] = []

    def work(came_late: bool) -> None:
        engine = engines.take(Event(), came_late=came_late)
        order.append(came_late)
        engines.give_back(engine)

    engines.start()
    try:
        first = engines.take(Event())
        with ThreadPoolExecutor(8) as pool:
            for came_late in [True] * 6 + [False] * 2:
                pool.submit(work, came_late)
            until(lambda: [len(engines._waiting[late]) for late in (True, False)] == [6, 2])
            engines.give_back(first)
    finally:
        engines.close()
    assert len(order) == 8
    assert False in order[:2]
    assert order[:4].count(False) == 2


def test_who_is_stopped_waits_for_no_engine(models_dir: Path) -> None:
    engines = Engines(Settings(models_dir=models_dir, offline=True, worker_slots=1, threads=1))
    engines.start()
    try:
        engine, gone = engines.take(Event()), Event()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(engines.take, gone)
            until(lambda: engines._waiting[False])
            gone.set()
            with pytest.raises(EngineStopped):
                waiting.result(timeout=30)
        engines.give_back(engine)
        assert engines.idle == 1
    finally:
        engines.close()


def test_an_engine_that_is_stuck_is_given_up(
    engine: Engine, sample_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_engine, "_PATIENCE_S", 2.0)
    engine.close()
    engine.start()
    long = tmp_path / "long.wav"
    long.write_bytes(sound(sample_wav, 1200))

    def freeze(_: int) -> None:
        os.kill(engine.pid or 0, signal.SIGSTOP)

    with long.open("rb") as file, pytest.raises(EngineDied, match="no sign of life"):
        engine.run(file, kind=JobKind.DIARIZE, options=JobOptions(), name=None, on_progress=freeze)
    engine.start()
    assert run(engine, sample_wav).audio_s == 30.0


def test_an_engine_at_work_says_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_engine_process, "ALIVE_S", 0.01)
    ours, its_own = socket.socketpair()
    worker, engine = MessageSocket(ours, patience_s=30.0), MessageSocket(its_own)
    with _engine_process._sign_of_life(engine):
        assert [worker.receive().kind for _ in range(3)] == ["alive"] * 3
    engine.close()
    worker.close()

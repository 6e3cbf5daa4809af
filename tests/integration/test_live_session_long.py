"""A live session of a day: its memory, and that its end comes soon."""

from __future__ import annotations

import gc
import time
import wave
from pathlib import Path

import psutil
import pytest

from earmark.live import CloseReason, Ended, Event, LiveConfig, LiveEngine, LiveSession
from earmark.settings import Settings
from earmark.traits import TraitKind, TraitOptions

pytestmark = pytest.mark.slow

HOURS = 24
MOST_MB = 20.0


def test_a_day_takes_the_memory_of_an_hour(models_dir: Path, sample_wav: Path) -> None:
    with wave.open(str(sample_wav), "rb") as file:
        minute = file.readframes(-1) * 2
    process = psutil.Process()
    last: list[Event] = []

    def told(event: Event) -> None:
        last[:] = [event]

    options = TraitOptions(kinds=(TraitKind.SPEECH_RT,), period_s=10.0)
    config = LiveConfig(traits=options, voiceprints=True)
    with LiveEngine(Settings(models_dir=models_dir, offline=True)) as engine:
        before_mb, started = 0.0, time.perf_counter()
        session = LiveSession(config, engine=engine, on_event=told)
        for hour in range(HOURS):
            for _ in range(60):
                session.push(minute)
                while session.backlog_s > 120:
                    assert not session.wait(0.05), last
            gc.collect()
            now_mb = process.memory_info().rss / 1e6
            spent_s = time.perf_counter() - started
            print(f"{hour + 1:3} h {now_mb:7.1f} MB, {3600 * (hour + 1) / spent_s:.1f} x real time")
            if not hour:
                before_mb = now_mb
            assert now_mb - before_mb < MOST_MB
        session.finish()
        assert session.wait(600)
    assert isinstance(last[0], Ended)
    assert last[0].reason == CloseReason.FINISHED
    assert last[0].at == pytest.approx(HOURS * 3600.0)
    assert session.result.duration == pytest.approx(HOURS * 3600.0)

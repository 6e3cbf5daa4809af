"""A worker that stood still, or took over, goes on working: nothing waits for a job elsewhere."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.service import JobState
from waiting import until
from workers import Works, open_works, sound


@pytest.fixture
def works(database_url: str, tmp_path: Path, models_dir: Path) -> Iterator[Works]:
    with open_works(tmp_path / "data", database_url) as opened:
        yield opened


@pytest.mark.slow
def test_one_that_stood_still_does_other_jobs_while_its_own_goes_on_elsewhere(
    works: Works, sample_wav: Path
) -> None:
    still = works.worker()
    until(lambda: works.living([still.process.pid]), what="a worker")
    taken = works.submit(sound(sample_wav, 3600))
    works.wait_for_stage(taken, "analysing", 3)
    other = works.worker()
    until(lambda: works.living([other.process.pid]), what="another worker")
    still.process.send_signal(signal.SIGSTOP)
    until(lambda: works.runner(taken) == other.process.pid, what="a takeover")
    still.process.send_signal(signal.SIGCONT)
    works.wait(works.submit(sound(sample_wav, 1)))
    assert works.job(taken).state is JobState.RUNNING


@pytest.mark.slow
def test_one_that_was_taken_over_is_handed_back_for_whoever_is_next(
    works: Works, sample_wav: Path
) -> None:
    first = works.worker()
    until(lambda: works.living([first.process.pid]), what="a worker")
    job_id = works.submit(sound(sample_wav, 3600))
    works.wait_for_stage(job_id, "analysing", 3)
    first.kill()
    second = works.worker(shutdown_grace_s="1")
    until(lambda: works.runner(job_id) == second.process.pid, what="a takeover")
    works.wait_for_stage(job_id, "analysing", 3)
    assert second.stop() == 0
    row = works.row(job_id)
    assert row["state"] == JobState.QUEUED
    assert row["not_before"] <= time.time()

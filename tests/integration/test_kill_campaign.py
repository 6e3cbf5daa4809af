"""Many short jobs while workers are killed every few seconds: none is lost, none is done twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from callers import new_caller
from earmark.service import JobState
from postgres import mostly
from waiting import until
from workers import Works, open_works, sound

LEAST_S, MOST_S = 0.5, 4.0
"""How long both workers are at work before one is killed."""


@mostly("sqlite")
@pytest.mark.parametrize("count", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_nothing_is_lost_or_done_twice(
    count: int, database_url: str, tmp_path: Path, sample_wav: Path
) -> None:
    with open_works(tmp_path / "data", database_url) as works:
        other = new_caller(works.service.store, "umbrella")
        callers = {
            works.submit(sound(sample_wav, 2 + number % 5), caller=caller): caller
            for number in range(count)
            for caller in [other if number % 3 else works.caller]
        }
        kills = campaign(works, kills_wanted=3)
        assert kills >= 3
        jobs = [works.service.jobs.get(caller, each) for each, caller in callers.items()]
        assert not [job for job in jobs if job.state is not JobState.SUCCEEDED]
        assert Counter(works.delivered()) == Counter((each, "job.succeeded") for each in callers)
        assert len({job.result_blob for job in jobs}) == count
        for job in jobs:
            assert works.service.jobs.document(job).startswith(b'{"schema"')


def campaign(works: Works, *, kills_wanted: int) -> int:
    """Keep two workers going and kill one every few seconds until all jobs are over."""
    chance = random.Random(7)
    pair = [works.worker(), works.worker()]
    kills = 0
    deadline = time.monotonic() + 900
    while works.unfinished() or kills < kills_wanted:
        assert time.monotonic() < deadline, f"{works.unfinished()} jobs are not over"
        until(lambda: works.living([each.process.pid for each in pair]), what="two workers")
        time.sleep(chance.uniform(LEAST_S, MOST_S))  # how long they live is the experiment
        victim = kills % 2
        pair[victim].kill()
        pair[victim] = works.worker()
        kills += 1
    return kills

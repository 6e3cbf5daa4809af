from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.cli._batch import run_threads
from earmark.cli._plan import Job, plan
from earmark.cli._progress import Show
from earmark.cli._work import Analysis, Printer, about
from earmark.errors import Canceled, DamagedAudio, InvalidOption, ModelMissing

QUIET = Show(None, 1)
Callback = Callable[[str, float], bool]


def _jobs(*names: str) -> tuple[Job, ...]:
    return plan([Path(f"{name}.wav") for name in names], output=None, extension="", report=None)


def test_one_failure_is_said_and_the_others_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    done = []

    def work(job: Job, on_progress: Callback) -> None:
        if job.uri == "b":
            raise DamagedAudio("It breaks off.")
        done.append(job.uri)

    failures = run_threads(_jobs("a", "b", "c"), work, workers=2, show=QUIET)
    assert sorted(done) == ["a", "c"]
    assert [(job.uri, type(error)) for job, error in failures] == [("b", DamagedAudio)]
    assert capsys.readouterr().err == "Error: b.wav: It breaks off.\n"


def test_a_message_that_names_the_recording_is_left_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work(job: Job, on_progress: Callback) -> None:
        raise DamagedAudio("a.wav breaks off.")

    run_threads(_jobs("a"), work, workers=1, show=QUIET)
    assert capsys.readouterr().err == "Error: a.wav breaks off.\n"


def test_they_run_at_once() -> None:
    both = threading.Barrier(2, timeout=20)

    def work(job: Job, on_progress: Callback) -> None:
        both.wait()  # breaks unless two are here together

    assert run_threads(_jobs("a", "b"), work, workers=2, show=QUIET) == []


@pytest.mark.parametrize("error", [ModelMissing("No model."), KeyboardInterrupt()])
def test_what_stops_one_stops_all(error: BaseException) -> None:
    started = threading.Barrier(2, timeout=20)
    stopped = []

    def work(job: Job, on_progress: Callback) -> None:
        if job.uri == "c":
            stopped.append("c was started")
            return
        started.wait()
        if job.uri == "a":
            raise error
        while on_progress("embedding", 0.5):  # until told to stop
            pass
        stopped.append(job.uri)
        raise Canceled("Stopped.")

    with pytest.raises(type(error)):
        run_threads(_jobs("a", "b", "c"), work, workers=2, show=QUIET)
    assert "b" in stopped


def test_results_are_printed_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    a, b, c = _jobs("a", "b", "c")
    printer = Printer((a, b, c), QUIET)
    printer.put(c, "C")
    printer.put(a, "")  # it failed, or wrote a file
    assert capsys.readouterr().out == ""
    printer.put(b, "B")
    assert capsys.readouterr().out == "BC"


@pytest.mark.parametrize(
    ("analysis", "said"),
    [
        (Analysis(speakers=2, min_speakers=1), "exact number"),
        (Analysis(speakers=2, max_speakers=3), "exact number"),
        (Analysis(min_speakers=3, max_speakers=2), "--min 3 is more than --max 2"),
        (Analysis(start=5, end=5), "not after --start 5 s"),
        (Analysis(end=0), "--end 0 s is not after --start 0 s"),
    ],
)
def test_options_that_contradict_each_other(analysis: Analysis, said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        analysis.check()


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Nobody speaks.", "x/a.wav: Nobody speaks."),
        ("a.wav is empty.", "a.wav is empty."),
        (
            "a.wav is damaged; on_damage='warn' takes it.",
            "a.wav is damaged; --damaged warn takes it.",
        ),
    ],
)
def test_a_message_names_the_recording_once_and_speaks_of_options(message: str, said: str) -> None:
    (job,) = _jobs("x/a")
    assert about(job, message) == said

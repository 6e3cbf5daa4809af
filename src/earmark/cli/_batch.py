"""Many recordings at once: threads that share one engine, failures counted, Ctrl-C heard."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait

import typer

from earmark.cli._files import require_writable
from earmark.cli._main import ExitCode, exit_code
from earmark.cli._plan import Job
from earmark.cli._progress import Show, progress_bars
from earmark.cli._work import Printer, Worker, about
from earmark.diarization import Diarizer
from earmark.errors import Canceled, EarmarkError, ModelError
from earmark.models import ModelStore, State
from earmark.settings import get_settings

__all__ = ["run_jobs", "run_threads"]

_PATIENCE_S = 1.0

Failures = list[tuple[Job, EarmarkError]]


def run_jobs(jobs: Sequence[Job], worker: Worker, *, workers: int, offline: bool) -> ExitCode:
    """Do what is not done yet, ``workers`` recordings at once (0 chooses), and say how it went.

    Raises `InvalidOption` when a place cannot be written to, `ModelError`, `KeyboardInterrupt`.
    """
    failures: Failures = []
    todo = []
    for job in jobs:
        try:
            if worker.pending(job):
                todo.append(job)
        except EarmarkError as error:
            _report(job, error, failures, _echo)
    skipped = len(jobs) - len(todo) - len(failures)
    for folder in {target.parent for job in todo for target in job.targets}:
        require_writable(folder)
    if todo:
        diarizer = _diarizer(fast=worker.analysis.fast, offline=offline, quiet=worker.quiet)
        with progress_bars(files=len(todo), quiet=worker.quiet) as show:
            printer = Printer(todo, show)

            def work(job: Job, on_progress: Callable[[str, float], bool]) -> None:
                worker.do(job, diarizer, printer, show, on_progress)

            failures += run_threads(todo, work, workers=workers or _default_workers(), show=show)
    if not worker.quiet and (len(jobs) > 1 or skipped):
        done = len(jobs) - skipped - len(failures)
        _echo(f"{done} done, {skipped} up to date, {len(failures)} failed.")
    if len(jobs) == 1 and failures:
        return exit_code(failures[0][1])
    return ExitCode.FAILED if failures else ExitCode.OK


def run_threads(
    jobs: Sequence[Job],
    work: Callable[[Job, Callable[[str, float], bool]], None],
    *,
    workers: int,
    show: Show,
) -> Failures:
    """Do every job; one that fails is reported at once and does not stop the others.

    ``work`` is given a callback for stage and fraction, and stops when that returns False. A model
    that cannot be had stops all, because no job can do without, and so does Ctrl-C: running jobs
    are told to stop and given a moment. Raises `ModelError`, `KeyboardInterrupt`.
    """
    stop = threading.Event()

    def one(job: Job) -> None:
        with show.file(job.uri) as tick:

            def on_progress(stage: str, fraction: float) -> bool:
                tick(stage, fraction)
                return not stop.is_set()

            work(job, on_progress)

    failures: Failures = []
    pool = ThreadPoolExecutor(min(workers, len(jobs)), thread_name_prefix="earmark")
    futures: dict[Future[None], Job] = {pool.submit(one, job): job for job in jobs}
    try:
        for future in as_completed(futures):
            try:
                future.result()
            except (ModelError, Canceled):
                raise
            except EarmarkError as error:
                _report(futures[future], error, failures, show.say)
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        wait(futures, timeout=_PATIENCE_S)
    return failures


def _diarizer(*, fast: bool, offline: bool, quiet: bool) -> Diarizer:
    settings = get_settings()
    if offline:
        settings = settings.model_copy(update={"offline": True})
    store = ModelStore(settings)
    wanted = (found for found in store.states() if found.model.default)
    missing = [found.model.id for found in wanted if found.state is not State.PRESENT]
    if missing and quiet:
        store.pull(missing)
    elif missing:
        from earmark.cli._models import pull_models

        pull_models(store, missing)
    return Diarizer(settings=settings, fast=fast)


def _default_workers() -> int:
    """Two, or more on a big machine: while one clusters, the other keeps the cores busy."""
    return max(2, (os.cpu_count() or 1) // 4)


def _report(job: Job, error: EarmarkError, failures: Failures, say: Callable[[str], None]) -> None:
    failures.append((job, error))
    say(f"Error: {about(job, str(error))}")


def _echo(line: str) -> None:
    typer.echo(line, err=True)

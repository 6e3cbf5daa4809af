"""What every runner shares: one JSON document per line in, one per line out.

The first line in is the set-up: ``{"threads": 2, "fast": false, "models": {"campplus": "/path",
...}}``. The runner loads its models and answers ``{"load_cpu_s": ..., "rss_mb": ..., "versions":
{...}}``. Every further line in is a job, ``{"path": "/audio.wav", "speakers": null}``, answered by
``{"turns": [[start, end, speaker], ...], "wall_s": ..., "cpu_s": ..., "peak_rss_mb": ...}``; a
runner may add keys. Closing stdin ends it. An exception ends it too, its traceback on stderr.

This runs in foreign environments: standard library only, no import of Earmark.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

Document = dict[str, Any]
Diarize = Callable[[Document], Document]


def serve(load: Callable[[Document], Diarize], packages: Sequence[str]) -> None:
    """Answer lines until stdin closes.

    ``load(setup)`` returns what turns a job into an answer with at least ``turns``; ``packages``
    are the distributions whose versions are told.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not land among the answers

    def answer(document: Document) -> None:
        answers.write(json.dumps(document) + "\n")
        answers.flush()

    diarize = load(json.loads(sys.stdin.readline()))
    versions = {name: metadata.version(name) for name in packages}
    answer({"load_cpu_s": _cpu_seconds(), "rss_mb": _peak_rss_mb(), "versions": versions})
    for line in sys.stdin:
        _forget_peak_rss()
        wall, cpu = time.perf_counter(), _cpu_seconds()
        result = diarize(json.loads(line))
        wall, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
        answer({"wall_s": wall, "cpu_s": cpu, "peak_rss_mb": _peak_rss_mb(), **result})


def _cpu_seconds() -> float:
    """User and system seconds of this process, all threads, and of the children it waited for."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def _forget_peak_rss() -> None:
    """Start the peak anew, where the kernel can (Linux); elsewhere it is the process's so far."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_rss_mb() -> float:
    """Peak resident memory in MB of 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        high = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(high.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6

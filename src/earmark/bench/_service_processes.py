"""The memory and the CPU time of a server and its children, as Linux tells them."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

__all__ = ["MemoryLine", "ProcessTree"]

_SAMPLE_S = 0.05


@dataclass(kw_only=True, slots=True)
class MemoryLine:
    """Resident memory over a while: ``samples`` of seconds since the start and MB (10^6 bytes)."""

    samples: list[tuple[float, float]] = field(default_factory=list)

    @property
    def start_mb(self) -> float:
        return self.samples[0][1]

    @property
    def peak_mb(self) -> float:
        return max(mb for _, mb in self.samples)

    @property
    def slope_mb(self) -> float:
        """How much it rises from start to end along the straight line that fits best, in MB."""
        seconds, mb = np.array(self.samples).T
        if seconds[-1] <= seconds[0]:
            return 0.0
        return float(np.polyfit(seconds, mb, 1)[0] * (seconds[-1] - seconds[0]))


class ProcessTree:
    """A process and all that descend from it. Elsewhere than on Linux nothing is known: None."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def cpu_s(self) -> float | None:
        """CPU seconds so far of all that live, and of all that were waited for."""
        if sys.platform != "linux":
            return None
        # Fields 14 to 17 of stat (man 5 proc_pid_stat): of itself, and of its waited-for children.
        ticks = sum(sum(map(int, _stat(pid)[11:15])) for pid in self._pids())
        return ticks / os.sysconf("SC_CLK_TCK")

    @contextmanager
    def memory_line(self) -> Iterator[MemoryLine | None]:
        """Samples the resident memory of the processes there are now, all together."""
        if sys.platform != "linux":
            yield None
            return
        pids = self._pids()
        line = MemoryLine(samples=[(0.0, _rss_mb(pids))])
        begun, done = time.perf_counter(), threading.Event()

        def sample() -> None:
            while not done.wait(_SAMPLE_S):
                line.samples.append((time.perf_counter() - begun, _rss_mb(pids)))

        thread = threading.Thread(target=sample, name="earmark-bench-memory")
        thread.start()
        try:
            yield line
        finally:
            done.set()
            thread.join()
            line.samples.append((time.perf_counter() - begun, _rss_mb(pids)))

    def _pids(self) -> list[int]:
        parents: dict[int, int] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            if fields := _stat(int(folder.name)):
                parents[int(folder.name)] = int(fields[1])
        found = [self._pid]
        for pid in found:  # grows meanwhile
            found += [child for child, parent in parents.items() if parent == pid]
        return found


def _stat(pid: int) -> list[str]:
    """The fields of a process's stat from its state on; none when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _rss_mb(pids: list[int]) -> float:
    pages = 0
    for pid in pids:
        with suppress(OSError):  # it is gone
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

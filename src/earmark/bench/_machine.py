"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from earmark.settings import Settings

__all__ = ["Machine", "this_machine"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """The hardware and the software below Earmark. ``memory_gb`` is in 10^9 bytes, or None."""

    cpu: str
    cores: int
    memory_gb: float | None
    system: str
    python: str
    onnxruntime: str
    earmark: str
    threads: int
    provider: str


def this_machine(settings: Settings) -> Machine:
    """This machine, as `earmark bench` uses it."""
    cores = _cores()
    return Machine(
        cpu=_cpu(),
        cores=cores,
        memory_gb=_memory_gb(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        onnxruntime=metadata.version("onnxruntime"),
        earmark=metadata.version("earmark"),
        threads=settings.threads or os.cpu_count() or 1,
        provider=settings.provider,
    )


def _cores() -> int:
    """CPU cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().split("\n\n")[0].splitlines()
        pairs = [line.partition(":") for line in lines]
        fields = {name.strip(): value.strip() for name, _, value in pairs}
        if "model name" in fields:
            family, model = fields.get("cpu family", "?"), fields.get("model", "?")
            return f"{fields['model name']} (family {family}, model {model})"
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    if sys.platform == "win32":
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)

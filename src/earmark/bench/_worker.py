"""A diarizer in a process of its own: what it takes to load, and what each file costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from earmark.bench._environments import Peer, environment
from earmark.errors import PeerFailed
from earmark.models import ModelStore
from earmark.settings import Settings

__all__ = ["OWN", "Worker", "own_worker", "peer_worker"]

OWN = "earmark"
"""The name of the system that is Earmark itself."""

_RUNNERS = Path(__file__).parent
_POOLS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM")


@dataclass(kw_only=True, slots=True)
class Worker:
    """Starts a runner (see ``peers/_serve.py``) and hands it jobs, one at a time.

    ``load_s`` is the wall time from starting the process until it was ready; ``ready`` is what it
    then said of itself.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    setup: Mapping[str, Any]
    load_s: float = field(default=0.0, init=False)
    ready: dict[str, Any] = field(default_factory=dict, init=False)
    _process: subprocess.Popen[str] | None = field(default=None, init=False)
    _said: IO[str] | None = field(default=None, init=False)

    def start(self) -> Self:
        """Start the process and wait until its models are loaded. Raises `PeerFailed`."""
        self.close()
        self._said = tempfile.TemporaryFile(mode="w+", errors="replace")  # noqa: SIM115 (closed in close)
        started = time.perf_counter()
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
            env=dict(self.environment),
            # Linux shares a busy machine out by session, and the server's engines have their own.
            start_new_session=True,
        )
        self.ready = self.ask(self.setup)
        self.load_s = time.perf_counter() - started
        return self

    def run(self, path: Path, *, speakers: int | None = None, **more: Any) -> dict[str, Any]:
        """Diarize one file. Raises `PeerFailed`, after which `start` may be called again."""
        return self.ask({"path": str(path.absolute()), "speakers": speakers, **more})

    def ask(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What the process answers to a job. Raises `PeerFailed` when it ends instead."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # then there is no answer either
            process.stdin.write(json.dumps(document) + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise PeerFailed(f"{self.name} stopped: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            try:
                process.communicate(timeout=20)  # closes its stdin, which ends it
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        said, self._said = self._said, None
        if said is not None:
            said.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _last_words(self) -> str:
        """The last line that the ended process left on stderr; closes what remains of it."""
        assert self._process is not None
        assert self._said is not None
        code = self._process.wait()
        self._said.seek(0)
        lines = [line.strip() for line in self._said if line.strip()]
        self.close()
        return lines[-1][:300] if lines else f"exit code {code}"


def own_worker(settings: Settings, *, fast: bool, profile: bool = False) -> Worker:
    """Earmark itself, run like a peer, with these settings; ``profile`` clocks its stages."""
    threads = _threads(settings)
    given = settings.model_copy(update={"threads": threads}).model_dump(mode="json")
    paths = (str(_RUNNERS), str(_RUNNERS.parents[1]), os.environ.get("PYTHONPATH", ""))
    return Worker(
        name=OWN,
        command=[sys.executable, "-m", "peers.earmark"],
        environment={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        setup={"threads": threads, "fast": fast, "profile": profile, "settings": given},
    )


def peer_worker(
    peer: Peer,
    settings: Settings,
    *,
    folder: Path | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Worker:
    """A peer in its environment (see `environment`), with as many threads as Earmark.

    Raises `PeerFailed` when it cannot be installed, `ModelError` for the weights it is given.
    """
    python = environment(peer, folder=folder, on_step=on_step)
    store = ModelStore(settings)
    threads = _threads(settings)
    pools = {f"{pool}_NUM_THREADS": str(threads) for pool in _POOLS}
    return Worker(
        name=peer.name,
        command=[str(python), "-s", "-m", peer.runner],
        environment={**os.environ, **pools, "PYTHONPATH": str(_RUNNERS)},
        setup={
            "threads": threads,
            "fast": False,
            "models": {name: str(store.path(name)) for name in peer.models},
        },
    )


def _threads(settings: Settings) -> int:
    return settings.threads or os.cpu_count() or 1

"""An engine as its worker sees it: a process that analyses one recording at a time."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import IO

from earmark.errors import Kind, Unavailable
from earmark.service._messages import MessageSocket
from earmark.service._model import JobError, JobKind, JobOptions
from earmark.settings import Settings

__all__ = ["Analysed", "AnalysisFailed", "Engine", "EngineDied", "EngineStopped"]

_log = logging.getLogger(__name__)

_PATIENCE_S = 120.0  # an engine at work speaks every ten: one that is silent for so long is stuck
_PROGRAM = "earmark.service._engine_process"
_KEPT = ("HOME", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")
_KEPT_PREFIXES = ("CUDA_", "LC_", "NVIDIA_", "OMP_", "OPENVINO_", "ORT_", "PYTHON", "XDG_")
_SETTINGS = (
    "models_dir",
    "offline",
    "models_source",
    "models_mirror",
    "provider",
    "max_duration_s",
    "max_channels",
    "max_sample_rate",
    "max_decoded_samples",
    "decoder_memory_bytes",
    "decoder_cpu_s",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysed:
    """The result document (JSON) of a recording, ``audio_s`` seconds of it."""

    document: bytes
    audio_s: float


class AnalysisFailed(Exception):
    """The engine cannot answer; why it says itself."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.message)
        self.error = error


class EngineDied(Exception):
    """The engine process ended while it was at work; the message says how."""


class EngineStopped(Exception):
    """The engine was stopped by intent."""


class Engine:
    """One engine process; made again when it has ended. One thread uses it, any may `stop` it."""

    def __init__(self, settings: Settings, *, threads: int) -> None:
        fields = settings.model_dump(mode="json", include=set(_SETTINGS))
        self._settings = {**fields, "threads": threads}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: MessageSocket | None = None
        self._ready = False
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process, unless there is a living one, without waiting until it is ready.

        Raises `Unavailable` when the system has no room for another process.
        """
        with self._lock:
            living = self._process is not None and self._process.poll() is None
            if living and not self._stopped:
                return
            self._stopped = False
            self._discard()
            self._spawn()

    def wait(self) -> None:
        """Wait until the models are loaded.

        Raises `Unavailable` when they cannot be, `EngineStopped`.
        """
        if self._ready:
            return
        try:
            self._receive_until("ready", lambda _: None)
        except (AnalysisFailed, EngineDied) as error:
            raise Unavailable(f"The engine cannot be started: {error}") from error
        self._ready = True

    def grant(self, threads: int) -> None:
        """Let the process compute with so many threads from now on, at most as many as it has."""
        with self._lock, contextlib.suppress(OSError):  # who is dead needs none
            if self._process is not None and self._process.stdin is not None:
                os.write(self._process.stdin.fileno(), bytes([threads]))

    def run(
        self,
        file: IO[bytes],
        *,
        kind: JobKind,
        options: JobOptions,
        name: str | None,
        on_progress: Callable[[int], None],
    ) -> Analysed:
        """Analyse a recording; ``name`` is what messages and exports call it.

        ``on_progress`` hears percentages, on this thread. Raises `AnalysisFailed` with the
        engine's own reason, `EngineDied` when the process ended at work, `EngineStopped` after
        `stop`, `Unavailable` when there is no process to be had.
        """
        self.wait()
        try:
            self._connected().send(
                "analyse",
                descriptor=file.fileno(),
                job=kind,
                options=asdict(options),
                name=name,
            )
        except OSError as error:
            raise self._ended() from error
        document, fields = self._receive_until("done", on_progress)
        return Analysed(document=document, audio_s=fields["audio_s"])

    def stop(self) -> None:
        """Kill the process, whatever it does. Who waits for it gets `EngineStopped`."""
        with self._lock:
            self._stopped = True
            if self._process is not None and self._process.poll() is None:
                self._process.kill()

    def close(self) -> None:
        """Kill the process and wait until it is gone."""
        self.stop()
        with self._lock:
            self._discard()

    def _spawn(self) -> None:
        ours, its_own = socket.socketpair()
        with its_own:
            try:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        "earmark.service._engine_process",
                        str(its_own.fileno()),
                    ],
                    pass_fds=[its_own.fileno()],
                    env=_environment(),
                    stdin=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C is for the worker
                )
            except OSError as error:
                ours.close()
                raise Unavailable(f"No engine can be started now: {error}.") from error
        self._socket, self._ready = MessageSocket(ours, patience_s=_PATIENCE_S), False
        with contextlib.suppress(OSError):  # it has died at once: who waits for it finds out
            self._socket.send("settings", settings=self._settings)
        threading.Thread(
            target=_log_lines, args=(self._process,), name="earmark-engine-log", daemon=True
        ).start()

    def _discard(self) -> None:
        if self._process is None or self._socket is None:
            return
        self._socket.close()
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = self._socket = None

    def _connected(self) -> MessageSocket:
        if self._socket is None:
            raise self._ended()
        return self._socket

    def _receive_until(
        self, wanted: str, on_progress: Callable[[int], None]
    ) -> tuple[bytes, dict[str, float]]:
        while True:
            try:
                received = self._connected().receive()
            except TimeoutError as error:
                raise self._stuck() from error
            except (EOFError, OSError) as error:
                raise self._ended() from error
            if received.kind == "alive":
                continue
            if received.kind == "error":
                told = received.fields
                raise AnalysisFailed(
                    JobError(
                        kind=Kind(told["error_kind"]), code=told["code"], message=told["message"]
                    )
                )
            if received.kind == wanted:
                return received.body, dict(received.fields)
            on_progress(int(received.fields["percent"]))

    def _stuck(self) -> EngineDied | EngineStopped:
        ended = self._ended()
        if isinstance(ended, EngineStopped):
            return ended
        return EngineDied(
            f"the process that analyses it gave no sign of life for {_PATIENCE_S:.0f} s"
        )

    def _ended(self) -> EngineDied | EngineStopped:
        with self._lock:
            if self._stopped or self._process is None:
                return EngineStopped("The analysis was stopped.")
            self._process.kill()
            code = self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return EngineDied(f"the process that analyses it ended with {how}")


def _environment() -> dict[str, str]:
    """What an engine needs to see: no key, and no address of a database."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }


def _log_lines(process: subprocess.Popen[bytes]) -> None:
    """Hand to the log what an engine writes to its standard error."""
    if process.stderr is None:
        return
    with process.stderr as lines:
        for line in lines:
            _log.warning("engine %d: %s", process.pid, line.decode("utf-8", "replace").rstrip())

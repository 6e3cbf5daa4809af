"""A server of its own to measure: started, waited for, stopped."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from earmark.client import Client
from earmark.errors import ServerUnreachable
from earmark.settings import Settings

__all__ = ["Served", "serving"]

_START_S = 120.0
_STOP_S = 45.0
_ANSWER_S = 600.0  # putting a large upload together may take a while
_KEPT = (
    "models_dir",
    "offline",
    "models_source",
    "models_mirror",
    "provider",
    "threads",
    "worker_slots",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A server that is ready: its base URL, an admin key, and the id of its main process."""

    url: str
    key: str
    pid: int

    def client(self) -> Client:
        """Earmark's own client."""
        return Client(self.url, self.key, timeout_s=_ANSWER_S)

    def http(self) -> httpx.Client:
        """A plain HTTP client of the native API, which keeps its connection."""
        return httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=_ANSWER_S,
            trust_env=False,
        )


@contextmanager
def serving(settings: Settings, folder: Path, *, max_upload_bytes: int) -> Iterator[Served]:
    """``earmark serve`` with its data in ``folder``, on ports of its own, until the block ends.

    Of the settings it has those that the models and the engine need; all others have their
    defaults, but for rate limits, which are lifted. Raises `ServerUnreachable` when it does not
    become ready.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EARMARK_")}
    kept = settings.model_dump(mode="json", include=set(_KEPT), exclude_none=True)
    environment |= {f"EARMARK_{name.upper()}": str(value) for name, value in kept.items()}
    key = _new_key(environment)
    environment |= {
        "EARMARK_DATA_DIR": str(folder / "data"),
        "EARMARK_BOOTSTRAP_KEY": key,
        "EARMARK_PORT": "0",
        "EARMARK_GRPC_PORT": "0",
        "EARMARK_RATE_LIMIT": "1000000/second",
        "EARMARK_MAX_UPLOAD_BYTES": str(max_upload_bytes),
    }
    said, log = folder / "server.out", folder / "server.log"
    with said.open("wb") as out, log.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "earmark", "serve"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    try:
        yield Served(url=_wait_ready(process, said, log), key=key, pid=process.pid)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _new_key(environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "earmark", "keys", "generate"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def _wait_ready(process: subprocess.Popen[bytes], said: Path, log: Path) -> str:
    """The server's base URL, once it is ready."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            why = lines[-1][:300] if lines else f"exit code {process.returncode}"
            raise ServerUnreachable(f"earmark serve ended at once: {why}")
        if found := re.search(r"listens on (http://\S+:\d+)", said.read_text(errors="replace")):
            try:
                if httpx.get(f"{found[1]}/readyz", trust_env=False).status_code == 200:
                    return found[1]
            except httpx.TransportError:
                pass
        time.sleep(0.05)
    raise ServerUnreachable(f"earmark serve was not ready within {_START_S:.0f} s.")
